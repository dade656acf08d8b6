/** What the cluster holds when a run is over, read by a client like any other: the whole log, and the stored pages of the hunts. */
import { huntActor } from '../../actors/hunt/actor.ts';
import { eventsOf } from '../../gateway/admin/log-event-reader.ts';
import { ClusterEvent } from '../../proto/generated/node/v1/cluster.ts';
import { Record } from '../../proto/generated/node/v1/record.ts';
import type { Position, Slot, StreamId, Version } from '../../proto/ids.ts';
import { unpackHeader } from '../../runtime/activation/actor-state.ts';
import { headerPage } from '../../runtime/activation/page.ts';
import { decodeRecord } from '../../runtime/activation/record.ts';
import { EmbeddedLog } from '../../runtime/log/embedded/client.ts';
import type { EventLog, LogRecord } from '../../runtime/log/event-log.ts';
import type { PageStore, StoredPage } from '../../runtime/log/page-store.ts';
import { LogAudit } from '../cli/log-verify/log-audit.ts';
import type { FullEvent } from '../host/black-box/wire.ts';
import { showEvent } from '../host/hunt-events.ts';
import { clusterStream } from '../view.ts';
import { logAddr } from './log-role.ts';
import type { Network } from './network.ts';
import type { SimProcess } from './sim-process.ts';

/** As it lies in the log, with what folding it needs. */
export type StoredEvent = ReturnType<typeof huntActor.events.decode>;

export interface HuntEvidence {
  readonly hunt: number;
  /** As the designer may see it. */
  readonly events: readonly FullEvent[];
  readonly stored: readonly StoredEvent[];
  readonly pages: readonly StoredPage[];
}

export interface Evidence {
  /** Slot by slot, each in the order of the log. */
  readonly records: readonly LogRecord[];
  readonly hunts: ReadonlyMap<number, HuntEvidence>;
  readonly audit: LogAudit;
  /** What happened to the view, by name. */
  readonly steps: readonly string[];
}

export async function gatherEvidence(process: SimProcess, network: Network): Promise<Evidence> {
  const { clock, timers, random } = process;
  const log = await EmbeddedLog.connect({
    socketPath: logAddr,
    clock,
    timers,
    random,
    sockets: network.socketsOf(process),
  });
  try {
    return await gather(log, log);
  } finally {
    await log.close();
  }
}

/** While nobody writes. */
export async function gather(
  log: Pick<EventLog, 'ends' | 'readSlot' | 'read'>,
  store: Pick<PageStore, 'load'>,
): Promise<Evidence> {
  const audit = new LogAudit();
  const records: LogRecord[] = [];
  const steps: string[] = [];
  const byHunt = new Map<number, { events: FullEvent[]; stored: StoredEvent[] }>();
  for (const [slot, end] of (await log.ends()).entries()) {
    for (let from = 0 as Position; from < end; ) {
      const page = await log.readSlot(slot as Slot, from);
      for (const record of page.records) {
        records.push(record);
        audit.record(record);
        if (record.stream.kind === 'cluster') steps.push(...stepsIn(record));
        if (record.stream.kind !== 'hunt') continue;
        const hunt = byHunt.get(record.stream.id) ?? { events: [], stored: [] };
        byHunt.set(record.stream.id, hunt);
        for (const event of eventsOf(record)) hunt.events.push(showEvent(event) as unknown as FullEvent);
        hunt.stored.push(...decodeRecord(record.bytes, huntActor.events).events);
      }
      from = page.next;
    }
  }
  if (!records.some(({ stream }) => stream.kind === 'cluster'))
    for (const record of await clusterRecords(log)) {
      records.push(record);
      audit.record(record);
      steps.push(...stepsIn(record));
    }
  const hunts = new Map<number, HuntEvidence>();
  for (const [hunt, { events, stored }] of byHunt)
    hunts.set(hunt, { hunt, events, stored, pages: await pagesOf(store, { kind: 'hunt', id: hunt }) });
  return { records, hunts, audit, steps };
}

/** In profile kafka that stream lies beside the slots. */
async function clusterRecords(log: Pick<EventLog, 'read'>): Promise<LogRecord[]> {
  const records: LogRecord[] = [];
  for (let from: Version | undefined = 1 as Version; from !== undefined; ) {
    const page = await log.read(clusterStream, from);
    records.push(...page.records);
    from = page.next;
  }
  return records;
}

const stepsIn = (record: LogRecord): string[] =>
  Record.decode(record.bytes).events.map((bytes) => ClusterEvent.decode(bytes).outcome?.$case ?? 'unknown');

async function pagesOf(store: Pick<PageStore, 'load'>, stream: StreamId): Promise<StoredPage[]> {
  const [header] = await store.load(stream, [headerPage]);
  if (header === undefined) return [];
  const leaves = unpackHeader(header.bytes)?.leaves ?? [];
  const pages = await store.load(stream, leaves);
  return [header, ...pages.filter((page) => page !== undefined)];
}
