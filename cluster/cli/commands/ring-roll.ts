/**
 * `hunt ring roll`: every node in turn is drained, exits so that its supervisor starts it again (another release, more memory),
 * and gets its share back, before the next one goes. Nothing but the order lives here: interrupted, it stops between two nodes.
 */
import { duration } from '../duration.ts';
import { exitCode, UsageError } from '../exit-code.ts';
import { interrupted } from '../interrupt.ts';
import { Output, type OutputFlags } from '../output.ts';
import type { Operation, Ring } from '../ring/answers.ts';
import { RingApi } from '../ring/ring-api.ts';
import { isOver, watchOperation } from '../ring/watch-operation.ts';
import { Target, type TargetFlags } from '../target.ts';

export interface RollFlags extends TargetFlags, OutputFlags {
  readonly deadline?: string;
}

/** From a node's exit until it is back, and until its share is. */
const backMsMax = 120_000;
const lookMs = 250;

interface Rolled {
  readonly node: string;
  readonly drain: Operation;
  readonly join?: Operation;
  readonly away_ms: number;
}

export async function ringRoll(nodes: readonly string[], flags: RollFlags): Promise<void> {
  const out = new Output(flags);
  const api = new RingApi(new Target(flags).api());
  const ring = await api.show();
  const unknown = nodes.find((id) => !ring.nodes.some((node) => node.id === id));
  if (unknown !== undefined) throw new UsageError(`there is no node ${unknown}: hunt ring show lists them`);
  const all = nodes.length > 0 ? nodes : ring.nodes.filter((node) => node.state === 'active').map((node) => node.id);
  const deadlineS = flags.deadline === undefined ? 120 : Math.ceil(duration(flags.deadline, '--deadline') / 1_000);
  let isInterrupted = false;
  void interrupted().then(() => (isInterrupted = true));
  const rolled: Rolled[] = [];
  for (const node of all) {
    if (isInterrupted) break;
    out.progress(`${node} is drained (${rolled.length + 1} of ${all.length})`);
    const step = await rollOne(api, node, deadlineS, out);
    if (typeof step === 'string') {
      out.progress(step);
      process.exitCode = exitCode.no;
      break;
    }
    rolled.push(step);
  }
  if (isInterrupted && rolled.length < all.length) process.exitCode = exitCode.interrupted;
  const stall = Math.max(0, ...rolled.flatMap(({ drain, join }) => [drain.stall_ms_max, join?.stall_ms_max ?? 0]));
  out.result(
    { rolled, stall_ms_max: stall },
    () => `${rolled.length} of ${all.length} nodes were restarted; longest stall of a slot ${stall} ms`,
  );
}

/** A sentence: what went wrong. */
async function rollOne(api: RingApi, node: string, deadlineS: number, out: Output): Promise<Rolled | string> {
  const before = find(await api.show(), node);
  const begun = await api.drain(node, { restart: true, deadline_s: deadlineS });
  const drain = await watchOperation(api, begun, out.quiet);
  if (drain === undefined) return `${begun.id} goes on; its node will be restarted, the others will not`;
  if (drain.state !== 'done') return `the drain of ${node} ended as ${drain.state}: ${drain.error ?? ''}`;
  const exitedAt = Date.now();
  let ring = await until(api, (now) => (find(now, node)?.incarnation ?? 0) > (before?.incarnation ?? 0));
  if (ring === undefined) return `${node} was drained and did not come back: whoever supervises it must start it again`;
  const awayMs = Date.now() - exitedAt;
  const expects = (before?.slots ?? 0) > 0 && (before?.weight ?? 0) > 0 && ring.frozen === null;
  if (expects) {
    ring = await until(api, (now) => (find(now, node)?.slots ?? 0) > 0 && now.operations.every(isOver));
    if (ring === undefined) return `${node} is back and does not get its share: hunt ring show tells more`;
  }
  const join = ring.operations.find((one) => one.kind === 'join' && one.started_at > (drain.ended_at ?? 0));
  out.progress(`${node} is back after ${(awayMs / 1_000).toFixed(1)} s, with ${find(ring, node)?.slots ?? 0} slots`);
  return { node, drain, ...(join === undefined ? {} : { join }), away_ms: awayMs };
}

const find = (ring: Ring, id: string): Ring['nodes'][number] | undefined => ring.nodes.find((node) => node.id === id);

async function until(api: RingApi, is: (ring: Ring) => boolean): Promise<Ring | undefined> {
  for (const began = Date.now(); Date.now() - began < backMsMax; ) {
    const ring = await api.show();
    if (is(ring)) return ring;
    await new Promise((resolve) => setTimeout(resolve, lookMs));
  }
  return undefined;
}
