import type { StreamId, Version } from '../../proto/ids.ts';
import { type Receipts, remember } from '../command/receipts.ts';
import type { ReadRequest } from '../command/request.ts';
import type { ActorEvent, Row, State } from '../decider.ts';
import type { ActorKind, RowsQuery, ScanQuery } from '../define-actor.ts';
import { readChunkBytes } from '../limits.ts';
import type { EventLog } from '../log/event-log.ts';
import type { Activation } from './activation.ts';
import { nextRound } from './loading.ts';
import type { MemberRow } from './page.ts';
import { decodeRecord } from './record.ts';

/**
 * Reads that take longer than a turn: time travel, and walks over all members. Few run at a time on a node, they yield
 * to the event loop, and their answers pass the gate of the activation (I1).
 */
const tooMany = 'too many long reads are under way: try again';
const pagesPerRound = 8;

/** The state as of `version`, replayed from the log, with the rows of `wanted` only: time travel costs no memory for the others. */
export async function stateAt<H, M, A, E extends ActorEvent>(
  log: Pick<EventLog, 'read'>,
  kind: ActorKind<H, M, A, E>,
  stream: StreamId,
  version: number,
  wanted: ReadonlySet<string> | 'all',
  betweenChunks: () => Promise<void>,
): Promise<State<H, M> & { readonly lastAt: number }> {
  const { decider } = kind;
  const header = decider.initialHeader(stream.id);
  const rows = new Map<string, MemberRow<M>>();
  const isWanted = (id: string): boolean => wanted === 'all' || wanted.has(id);
  const rowOf = (id: string): MemberRow<M> => {
    let row = rows.get(id);
    if (row === undefined) {
      row = { id, lastSeq: 0, receipts: [], member: decider.initialMember(id) };
      rows.set(id, row);
    }
    return row;
  };
  let folded = 0;
  let lastAt = 0;
  for (let from: Version | undefined = 1 as Version; from !== undefined && folded < version; ) {
    const page = await log.read(stream, from, readChunkBytes);
    for (const record of page.records) {
      for (const event of decodeRecord(record.bytes, kind.events).events) {
        if (event.version > version) break;
        if (event.version !== folded + 1)
          throw new Error(`version ${event.version} follows ${folded}: the log has a hole`);
        decider.evolveHeader(header, event);
        for (const id of decider.membersOf(event)) if (isWanted(id)) decider.evolveMember(rowOf(id).member, event, id);
        if (event.seq > 0 && isWanted(event.playerId)) remember(rowOf(event.playerId) as Receipts, event);
        folded = event.version;
        lastAt = event.occurredAt;
      }
    }
    from = page.next;
    await betweenChunks();
  }
  if (folded < version) throw new Error(`${stream.kind} ${stream.id} ends at version ${folded}, before ${version}`);
  const row = (id: string): Row<M> | undefined =>
    isWanted(id) ? (rows.get(id) ?? { id, lastSeq: 0, member: decider.initialMember(id) }) : undefined;
  return { header, version, lastAt, row };
}

/** Answers a rows query as of an earlier version. */
export async function lookBack<H, M, A, E extends ActorEvent>(
  actor: Activation<H, M, A, E>,
  request: ReadRequest<E>,
  version: number,
): Promise<void> {
  await longRead(actor, request, async () => {
    const { node, kind, stream } = actor;
    const query: RowsQuery<H, M> = request.query as RowsQuery<H, M>;
    if (version > actor.durable && !(await isDurable(actor, version))) return;
    const wanted = new Set<string>();
    for (;;) {
      const state = await stateAt(node.log, kind, stream, version, wanted, () => nextRound(node));
      const missing = query.needs(request.body, state).filter((id) => !wanted.has(id));
      if (missing.length > 0) {
        for (const id of missing) wanted.add(id);
        continue;
      }
      const outcome = query.run(request.body, state, { stream, at: Math.max(node.clock.now(), state.lastAt) });
      if ('refusal' in outcome) request.refuse(outcome.refusal);
      else request.ack(version, outcome.answer);
      return;
    }
  });
}

/** A walk in progress: what changes meanwhile is looked at again at the end. */
export class Scan {
  readonly again = new Set<string>();
  touched(memberIds: readonly string[]): void {
    for (const id of memberIds) this.again.add(id);
  }
}

export async function scanMembers<H, M, A, E extends ActorEvent>(
  actor: Activation<H, M, A, E>,
  request: ReadRequest<E>,
): Promise<void> {
  const scan = new Scan();
  await longRead(actor, request, async () => {
    const { node, stream } = actor;
    const query = request.query as ScanQuery<H, M, unknown>;
    const mapped = new Map<string, unknown>();
    const map = (row: Row<M>): void => {
      const value = query.map(row, request.body);
      if (value === undefined) mapped.delete(row.id);
      else mapped.set(row.id, value);
    };
    actor.scans.add(scan);
    const walked = new Set<number>();
    const isWalked = (id: number): boolean => {
      for (let ancestor = id; ancestor >= 1; ancestor = parentOf(ancestor)) if (walked.has(ancestor)) return true;
      return false;
    };
    for (
      let due = actor.state.members.pages();
      due.length > 0;
      due = actor.state.members.pages().filter((page) => !isWalked(page.id))
    ) {
      for (const [i, page] of due.entries()) {
        if (page.rows === undefined) await actor.pages.bring([page]);
        if (actor.isOver) return;
        // A page that was split on the way is gone; its halves come in the next round.
        if (page.rows === undefined) continue;
        for (const row of page.rows.values()) map(row);
        walked.add(page.id);
        if (i % pagesPerRound === pagesPerRound - 1) {
          node.cache.shrink();
          await nextRound(node);
          if (actor.isOver) return;
        }
      }
    }
    for (;;) {
      const { members } = actor.state;
      const absent = [...new Set([...scan.again].map((id) => members.pageOf(id)))].filter(
        (page) => page.rows === undefined,
      );
      if (absent.length === 0) break;
      await actor.pages.bring(absent);
      if (actor.isOver) return;
    }
    const { state } = actor;
    for (const id of scan.again) {
      const row = state.row(id);
      if (row !== undefined) map(row);
    }
    const outcome = query.run(request.body, [...mapped.values()], state, {
      stream,
      at: Math.max(node.clock.now(), state.lastAt),
    });
    if ('refusal' in outcome) request.refuse(outcome.refusal);
    else request.ack(state.version, outcome.answer);
  });
  actor.scans.delete(scan);
}

/** The page that a page came out of by a split; 0 for the root. */
function parentOf(id: number): number {
  const depth = 31 - Math.clz32(id);
  return depth === 0 ? 0 : 2 ** (depth - 1) + ((id - 2 ** depth) & (2 ** (depth - 1) - 1));
}

async function longRead<H, M, A, E extends ActorEvent>(
  actor: Activation<H, M, A, E>,
  request: ReadRequest<E>,
  read: () => Promise<void>,
): Promise<void> {
  const { node } = actor;
  if (node.longReadPermits.isFull) return request.fail('BUSY', tooMany);
  actor.longReads.add(request);
  await node.longReadPermits.take();
  try {
    if (!actor.isOver) await read();
  } catch (error) {
    if (!actor.isOver) {
      const instance = node.random.token(6);
      node.report(instance, actor.stream, error);
      request.refuse({
        code: 'UNAVAILABLE',
        message: `the read did not come through, reported as ${instance}: try again`,
        retryMs: 1_000,
      });
    }
  } finally {
    node.longReadPermits.give();
  }
  // When the activation ended meanwhile, its end has answered.
  if (!actor.longReads.delete(request) || actor.isOver) return;
  actor.answer([request], actor.state.version);
  actor.node.ready(actor);
}

/** Resolves when the version is in the log for sure; false: the activation ended before. */
function isDurable<H, M, A, E extends ActorEvent>(actor: Activation<H, M, A, E>, version: number): Promise<boolean> {
  return new Promise((resolve) =>
    actor.answer([{ effect: false, release: () => resolve(true), fail: () => resolve(false) }], version),
  );
}
