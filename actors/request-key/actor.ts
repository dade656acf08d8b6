import { RequestKeyEvent } from '../../proto/generated/node/v1/record.ts';
import { adminPlayer } from '../../proto/ids.ts';
import type { Refusal } from '../../runtime/decider.ts';
import { type ActorKind, defineActor, UnreadableEventError } from '../../runtime/define-actor.ts';

/**
 * Requests with an Idempotency-Key, under the 48-bit hash of the key's whole name. Two names may share a hash, so each is
 * kept by name. A claim that nobody answered within {@link claimMs} is handed on, with the ids minted first (I4); an
 * answer is kept for {@link keptMs}.
 */
export interface Request {
  readonly bodyHash: string;
  readonly minted: string;
  begunAt: number;
  answer: { readonly status: number; readonly body: string; readonly location: string } | undefined;
}
export interface RequestKeys {
  readonly id: number;
  readonly requests: Map<string, Request>;
}
export type RequestKeyAction =
  | { readonly type: 'begin'; readonly key: string; readonly bodyHash: string; readonly minted: string }
  | {
      readonly type: 'answer';
      readonly key: string;
      readonly status: number;
      readonly body: string;
      readonly location: string;
    };

export const claimMs = 30_000;
export const keptMs = 24 * 3600 * 1000;
export const keyLengthMax = 1_024;
export const mintedLengthMax = 4_096;
export const answerLengthMax = 256 * 1024;

const refuse = (code: Refusal['code'], message: string, retryMs?: number) => ({
  kind: 'refused' as const,
  refusal: { code, message, ...(retryMs === undefined ? {} : { retryMs }) },
});
const live = (request: Request | undefined, at: number): Request | undefined =>
  request !== undefined && at - request.begunAt < keptMs ? request : undefined;

export const requestKeyActor: ActorKind<RequestKeys, null, RequestKeyAction, RequestKeyEvent> = defineActor<
  RequestKeys,
  null,
  RequestKeyAction,
  RequestKeyEvent
>({
  kind: 'key',
  decider: {
    initialHeader: (id) => ({ id, requests: new Map() }),
    initialMember: () => null,
    needs: () => [],
    decide({ at, fingerprint, action }, { header }) {
      const known = live(header.requests.get(action.key), at);
      const event = (outcome: NonNullable<RequestKeyEvent['outcome']>) => ({
        kind: 'events' as const,
        events: [
          {
            actorId: header.id,
            version: 0,
            playerId: adminPlayer,
            seq: 0,
            occurredAt: at,
            vector: [],
            fingerprint,
            outcome,
          },
        ],
      });
      if (action.type === 'answer') {
        if (known === undefined) return refuse('WRONG_STATE', 'no request with this key has begun: send begin first');
        if (known.answer !== undefined)
          return refuse('ALREADY_DONE', 'this request has its answer already: read it with get');
        const { status, body, location, key } = action;
        return event({ $case: 'answered', value: { status, body, location, key } });
      }
      if (known === undefined)
        return event({
          $case: 'begun',
          value: { key: action.key, bodyHash: Buffer.from(action.bodyHash, 'base64url'), mintedJson: action.minted },
        });
      if (known.bodyHash !== action.bodyHash)
        return refuse('SEQ_CONFLICT', 'this key was used with another body: take a new key');
      if (known.answer !== undefined)
        return refuse('ALREADY_DONE', 'this request has its answer already: read it with get');
      const left = known.begunAt + claimMs - at;
      if (left > 0)
        return refuse(
          'BUSY',
          'the first request with this key is under way: wait for its answer',
          Math.min(left, 1_000),
        );
      return event({
        $case: 'begun',
        value: { key: action.key, bodyHash: Buffer.from(known.bodyHash, 'base64url'), mintedJson: known.minted },
      });
    },
    evolveHeader(header, { outcome, occurredAt }) {
      if (outcome?.$case === 'begun') {
        const { key, bodyHash, mintedJson } = outcome.value;
        for (const [other, request] of header.requests)
          if (live(request, occurredAt) === undefined) header.requests.delete(other);
        header.requests.set(key, {
          bodyHash: Buffer.from(bodyHash).toString('base64url'),
          minted: mintedJson,
          begunAt: occurredAt,
          answer: undefined,
        });
      } else if (outcome?.$case === 'answered') {
        const { key, status, body, location } = outcome.value;
        const request = header.requests.get(key);
        if (request !== undefined) request.answer = { status, body, location };
      }
    },
    evolveMember: () => {},
    membersOf: () => [],
    reply([event], { version }) {
      if (event?.outcome?.$case !== 'begun') return { kind: 'ack', result: {} };
      return {
        kind: 'ack',
        result: {
          state: version === 1 ? 'begun' : 'taken_over',
          minted: JSON.parse(event.outcome.value.mintedJson) as unknown,
        },
      };
    },
    alarm: () => undefined,
  },
  events: {
    encode: (event) => RequestKeyEvent.encode(event).finish(),
    decode(bytes) {
      const event = RequestKeyEvent.decode(bytes);
      if (event.outcome === undefined)
        throw new UnreadableEventError(
          `event ${event.version} of request key ${event.actorId} is of a type that this release does not know`,
        );
      return event;
    },
  },
  header: {
    pack: ({ id, requests }) => [
      id,
      [...requests].map(([key, { bodyHash, minted, begunAt, answer }]) => [
        key,
        bodyHash,
        minted,
        begunAt,
        answer === undefined ? null : [answer.status, answer.body, answer.location],
      ]),
    ],
    unpack(packed) {
      const [id, rows] = packed as [number, [string, string, string, number, [number, string, string] | null][]];
      const requests = new Map<string, Request>();
      for (const [key, bodyHash, minted, begunAt, answer] of rows) {
        requests.set(key, {
          bodyHash,
          minted,
          begunAt,
          answer: answer === null ? undefined : { status: answer[0], body: answer[1], location: answer[2] },
        });
      }
      return { id, requests };
    },
  },
  member: { pack: () => null, unpack: () => null },
  commands: {
    begin(body) {
      const { key, body_hash: bodyHash, minted } = fields(body);
      const json = JSON.stringify(minted);
      if (!isText(key, keyLengthMax) || key === '')
        return invalid(`key must be a text of 1 to ${keyLengthMax} characters`);
      if (!isText(bodyHash, 128) || !/^[A-Za-z0-9_-]*$/.test(bodyHash))
        return invalid('body_hash must be base64url of at most 128 characters');
      if (json === undefined || json.length > mintedLengthMax)
        return invalid(`minted must be a JSON value of at most ${mintedLengthMax} characters`);
      return {
        action: {
          type: 'begin',
          key,
          bodyHash: Buffer.from(bodyHash, 'base64url').toString('base64url'),
          minted: json,
        },
      };
    },
    answer(body) {
      const { key, status, body: answer, location = '' } = fields(body);
      if (!isText(key, keyLengthMax) || key === '')
        return invalid(`key must be a text of 1 to ${keyLengthMax} characters`);
      if (typeof status !== 'number' || !Number.isInteger(status) || status < 100 || status > 599)
        return invalid('status must be an HTTP status from 100 to 599');
      if (!isText(answer, answerLengthMax) || !isText(location, 2_048))
        return invalid(`body must be a text of at most ${answerLengthMax}, location of at most 2048 characters`);
      return { action: { type: 'answer', key, status, body: answer, location } };
    },
  },
  queries: {
    get: {
      kind: 'rows',
      needs: () => [],
      run(body, { header }, { at }) {
        const { key } = fields(body);
        const answer = typeof key === 'string' ? live(header.requests.get(key), at)?.answer : undefined;
        if (answer === undefined)
          return {
            refusal: { code: 'NOT_FOUND', message: 'there is no answer to a request with this key yet: send begin' },
          };
        return {
          answer: {
            status: answer.status,
            body: answer.body,
            ...(answer.location === '' ? {} : { location: answer.location }),
          },
        };
      },
    },
  },
  mustExist: false,
  creates: [],
});

const fields = (body: unknown): Record<string, unknown> =>
  typeof body === 'object' && body !== null ? (body as Record<string, unknown>) : {};
const isText = (value: unknown, max: number): value is string => typeof value === 'string' && value.length <= max;
const invalid = (message: string): { refusal: Refusal } => ({
  refusal: { code: 'INVALID', message: `${message}: correct it` },
});
