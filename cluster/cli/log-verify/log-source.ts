/**
 * Where `log verify` reads: the log of a running cluster, or the segments of a stopped embedded one; and in both cases the
 * archive with it, as one history.
 */
import { join } from 'node:path';
import { type Slot, slotCount } from '../../../proto/ids.ts';
import type { Archive } from '../../../runtime/log/archive/archive.ts';
import { FolderArchive } from '../../../runtime/log/archive/folder-archive.ts';
import { EmbeddedLog } from '../../../runtime/log/embedded/client.ts';
import { openSegmentsReadOnly } from '../../../runtime/log/embedded/offline.ts';
import { type EventLog, LogDamagedError, type LogRecord, LogUnavailableError } from '../../../runtime/log/event-log.ts';
import { archiveFolder, connectBackend } from '../../host/backend.ts';
import type { Config } from '../../host/config.ts';
import { logSocket } from '../../host/run-folder.ts';
import { type AuditReport, LogAudit } from './log-audit.ts';
import { type HistoryVisitor, SlotHistory } from './slot-history.ts';

export interface Scope {
  readonly slots: readonly Slot[];
  /** Only this hunt's stream. */
  readonly hunt?: number;
}
/** Called as the work goes on, from 0 to 1. */
export type Progress = (done: number, events: number) => void;

export const allSlots: readonly Slot[] = Array.from({ length: slotCount }, (_, slot) => slot as Slot);
const logPatienceMs = 2_000;
const readBytes = 4 * 1024 * 1024;
/** How often a slot that is trimmed while it is read is read again. */
const triesMax = 5;

/** The report, and how it was read. */
export async function auditLog(
  config: Config,
  scope: Scope,
  progress: Progress,
): Promise<{ report: AuditReport; live: boolean }> {
  const archive = new FolderArchive(archiveFolder(config));
  if (config.profile !== 'embedded') {
    const quiet = { info: () => undefined, warn: () => undefined };
    const backend = await connectBackend(config, quiet, logPatienceMs);
    try {
      return { report: await auditLive(backend.own, archive, scope, progress), live: true };
    } finally {
      await backend.close();
    }
  }
  let log: EmbeddedLog;
  try {
    log = await EmbeddedLog.connect({ socketPath: logSocket(config.dataDir), patienceMs: logPatienceMs });
  } catch (error) {
    if (!(error instanceof LogUnavailableError)) throw error;
    const report = await auditSegments(join(config.dataDir, 'log'), archive, scope, progress);
    return { report, live: false };
  }
  try {
    return { report: await auditLive(log, archive, scope, progress), live: true };
  } finally {
    await log.close();
  }
}

/** Slot by slot, each up to where it ended when its reading began: what is appended meanwhile is the next audit's. */
export async function auditLive(
  log: Pick<EventLog, 'readSlot'>,
  archive: Archive,
  scope: Scope,
  progress: Progress,
): Promise<AuditReport> {
  const whole = new LogAudit();
  for (const [i, slot] of scope.slots.entries()) {
    let report: AuditReport | undefined;
    for (let tries = 1; report === undefined; tries++) {
      if (tries > triesMax) throw new Error(`slot ${slot} was trimmed ${triesMax} times while it was read: try again`);
      report = await auditSlot(log, archive, slot, scope, (events) =>
        progress(i / scope.slots.length, whole.report.events + events),
      );
    }
    whole.add(report);
  }
  progress(1, whole.report.events);
  return whole.report;
}

/** One audit a slot: what it remembers of players and streams goes when the slot is done (I5). Undefined: it was trimmed meanwhile. */
async function auditSlot(
  log: Pick<EventLog, 'readSlot'>,
  archive: Archive,
  slot: Slot,
  scope: Scope,
  progress: (events: number) => void,
): Promise<AuditReport | undefined> {
  const audit = new LogAudit();
  type Position = Parameters<EventLog['readSlot']>[1];
  const { oldest, end } = await readFirst(log, slot, audit);
  const history = await SlotHistory.open(archive, slot, within(audit, scope), oldest);
  await history.upTo(oldest);
  try {
    for (let from = oldest; from < end; ) {
      const page = await log.readSlot(slot, from as Position, readBytes);
      if (page.oldest > from) return undefined;
      for (const record of page.records) await history.log(record);
      progress(audit.report.events);
      if (page.next <= from) break;
      from = page.next;
    }
    await history.end();
  } catch (error) {
    if (!(error instanceof LogDamagedError)) throw error;
    audit.unreadable(undefined, 0, `slot ${slot}: ${error.message}`);
  }
  return audit.report;
}

/** Where the slot begins and ends in the log. */
async function readFirst(
  log: Pick<EventLog, 'readSlot'>,
  slot: Slot,
  audit: LogAudit,
): Promise<{ readonly oldest: number; readonly end: number }> {
  try {
    return await log.readSlot(slot, 0 as Parameters<EventLog['readSlot']>[1], 1);
  } catch (error) {
    if (!(error instanceof LogDamagedError)) throw error;
    audit.unreadable(undefined, 0, `slot ${slot}: ${error.message}`);
    return { oldest: Number.POSITIVE_INFINITY, end: 0 };
  }
}

/** In the order of the segments, all slots at once. */
export async function auditSegments(
  folder: string,
  archive: Archive,
  scope: Scope,
  progress: Progress,
): Promise<AuditReport> {
  const audit = new LogAudit();
  const slots = new Set(scope.slots);
  const histories = new Map<Slot, SlotHistory>();
  const historyOf = async (slot: Slot): Promise<SlotHistory> => {
    const history = histories.get(slot) ?? (await SlotHistory.open(archive, slot, within(audit, scope)));
    histories.set(slot, history);
    return history;
  };
  for await (const item of openSegmentsReadOnly(folder)) {
    if (item.kind === 'record' && slots.has(item.slot)) await (await historyOf(item.slot)).log(item.record);
    else if (item.kind === 'damage') {
      const place = `the log is damaged from ${item.from} to ${item.to}: ${item.what}`;
      if (item.record === undefined) audit.unreadable(undefined, 0, place);
      else if (isInScope(item.record, scope)) audit.unreadable(item.record.stream, item.record.version, place);
    }
    if (audit.report.batches % 1_000 === 0) progress(0, audit.report.events);
  }
  for (const slot of scope.slots) await (await historyOf(slot)).end();
  progress(1, audit.report.events);
  return audit.report;
}

const within = (audit: LogAudit, scope: Scope): HistoryVisitor => ({
  record: (record) => {
    if (isInScope(record, scope)) audit.record(record);
  },
  unreadable: (stream, version, detail) => audit.unreadable(stream, version, detail),
  disagreement: (record, kind, detail) => {
    if (isInScope(record, scope)) audit.disagreement(record, kind, detail);
  },
});

const isInScope = (record: LogRecord, scope: Scope): boolean =>
  scope.hunt === undefined || (record.stream.kind === 'hunt' && record.stream.id === scope.hunt);
