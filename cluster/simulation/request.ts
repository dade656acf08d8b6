/**
 * What designers and readers ask over HTTP, simulated as one connection a request: a line of JSON there, a line of JSON back.
 * The gateway's side runs the real operations under the real idempotency keys.
 */
import { createHash } from 'node:crypto';
import type { Duplex } from 'node:stream';
import { createHunt } from '../../gateway/admin/operations/create-hunt.ts';
import type { Operations } from '../../gateway/admin/operations/operations.ts';
import { scoreboard, showHunt } from '../../gateway/admin/operations/read-hunt.ts';
import { type Steering, steerHunt } from '../../gateway/admin/operations/steer-hunt.ts';
import { Problem } from '../../gateway/admin/problem.ts';
import type { Claims } from '../../gateway/token/claims.ts';
import type { SimProcess } from './sim-process.ts';

export type Asked =
  | { readonly op: 'create'; readonly key: string; readonly definition: object }
  | {
      readonly op: 'steer';
      readonly hunt: number;
      readonly verb: string;
      readonly body: Readonly<Record<string, unknown>>;
      readonly key: string | undefined;
    }
  | { readonly op: 'scoreboard'; readonly hunt: number }
  | { readonly op: 'show'; readonly hunt: number; readonly version?: number }
  | { readonly op: 'drain'; readonly node: string; readonly after: 'exit' | 'stay' | 'restart' }
  | { readonly op: 'weights'; readonly weights: Readonly<Record<string, number>>; readonly canaryS: number }
  | { readonly op: 'roll back'; readonly operation: string }
  | { readonly op: 'freeze'; readonly expiresS: number }
  | { readonly op: 'unfreeze' };

/** `lost`: no answer came; whether it was done is not known. */
export type Told =
  | { readonly kind: 'ok'; readonly body: Readonly<Record<string, unknown>> }
  | { readonly kind: 'problem'; readonly code: string; readonly message: string; readonly retryMs: number }
  | { readonly kind: 'lost' };

export const requestAddr = (gateway: string): string => `/run/${gateway}.http`;

/** A client waits so long for an answer. */
const patienceMs = 12_000;

const caller: Claims = { sub: 'dora', role: 'designer', exp: Number.MAX_SAFE_INTEGER };

/** The gateway's side of one request. */
export function serveRequest(operations: Operations, socket: Duplex, fault: (error: unknown) => void): void {
  let text = '';
  socket.on('error', () => undefined);
  socket.on('data', (chunk: Buffer) => {
    text += chunk.toString('utf8');
    if (!text.endsWith('\n')) return;
    void answer(operations, JSON.parse(text) as Asked)
      .catch((error: unknown): Told => {
        if (error instanceof Problem)
          return { kind: 'problem', code: error.code, message: error.message, retryMs: error.retryMs ?? 500 };
        fault(error);
        return { kind: 'problem', code: 'INTERNAL', message: String(error), retryMs: 500 };
      })
      .then((told) => {
        if (!socket.destroyed) socket.end(`${JSON.stringify(told)}\n`);
      });
  });
}

const operator = 'otto';

async function answer(operations: Operations, asked: Asked): Promise<Told> {
  const { cluster } = operations.ports;
  switch (asked.op) {
    case 'create': {
      const source = { text: JSON.stringify(asked.definition), format: 'json' } as const;
      return keyed(operations, '/v1/hunts', asked.key, source.text, (undertaking) =>
        createHunt(operations, caller, source, undertaking),
      );
    }
    case 'steer': {
      const steering = { verb: asked.verb, body: asked.body } as unknown as Steering;
      const path = `/v1/hunts/${asked.hunt}/${asked.verb}`;
      return keyed(operations, path, asked.key, JSON.stringify(asked.body), (undertaking) =>
        steerHunt(operations, caller, asked.hunt, steering, undertaking),
      );
    }
    case 'scoreboard':
      return ok(await scoreboard(operations, caller, asked.hunt, { limit: 100, offset: 0 }));
    case 'show':
      return ok(await showHunt(operations, asked.hunt, asked.version));
    case 'drain':
      return ok(await cluster.drain({ node: asked.node, deadlineS: 20, after: asked.after }, operator));
    case 'weights': {
      const wish = { weights: asked.weights, pins: {}, unpin: [], remove: [], reason: 'balance', pinsForS: 0 };
      const { plan_id: planId } = await cluster.plan(wish);
      return ok(await cluster.apply({ planId, movesPerS: 100, canaryS: asked.canaryS }, operator));
    }
    case 'roll back':
      return ok(await cluster.rollBack(asked.operation, operator));
    case 'freeze':
      return ok(await cluster.freeze('a quiet evening', asked.expiresS, operator));
    case 'unfreeze':
      await cluster.unfreeze(operator);
      return ok({});
  }
}

const ok = (body: object): Told => ({ kind: 'ok', body: body as Record<string, unknown> });

async function keyed(
  operations: Operations,
  path: string,
  key: string | undefined,
  body: string,
  run: Parameters<Operations['idempotency']['once']>[1],
): Promise<Told> {
  const bodyHash = createHash('sha256').update(body).digest();
  const done = await operations.idempotency.once(
    { key, method: 'POST', path, subject: caller.sub, bodyHash, instance: 'sim' },
    run,
  );
  if (done.status < 300) return ok(done.body);
  const problem = done.body as { code: string; detail?: string };
  return { kind: 'problem', code: problem.code, message: problem.detail ?? '', retryMs: 0 };
}

/** The client's side: one try. */
export function ask(process: SimProcess, socket: Duplex, asked: Asked): Promise<Told> {
  return new Promise((resolve) => {
    let text = '';
    let isDone = false;
    const done = (told: Told): void => {
      if (isDone) return;
      isDone = true;
      cancel();
      socket.destroy();
      resolve(told);
    };
    const cancel = process.timers.after(patienceMs, () => done({ kind: 'lost' }));
    socket.on('connect', () => socket.write(`${JSON.stringify(asked)}\n`));
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('utf8');
      if (text.endsWith('\n')) done(JSON.parse(text) as Told);
    });
    socket.on('error', () => undefined);
    socket.on('close', () => done({ kind: 'lost' }));
  });
}
