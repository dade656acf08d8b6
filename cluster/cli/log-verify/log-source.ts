/** Where `log verify` reads: the log process of a running cluster, or the segments of a stopped one. */
import { join } from 'node:path';
import { type Slot, slotCount } from '../../../proto/ids.ts';
import { EmbeddedLog } from '../../../runtime/log/embedded/client.ts';
import { openSegmentsReadOnly } from '../../../runtime/log/embedded/offline.ts';
import { type EventLog, LogDamagedError, type LogRecord, LogUnavailableError } from '../../../runtime/log/event-log.ts';
import { logSocket } from '../../host/run-folder.ts';
import { type AuditReport, LogAudit } from './log-audit.ts';

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

/** The report, and how it was read. */
export async function auditLog(
  dataDir: string,
  scope: Scope,
  progress: Progress,
): Promise<{ report: AuditReport; live: boolean }> {
  let log: EmbeddedLog;
  try {
    log = await EmbeddedLog.connect({ socketPath: logSocket(dataDir), patienceMs: logPatienceMs });
  } catch (error) {
    if (!(error instanceof LogUnavailableError)) throw error;
    return { report: await auditSegments(join(dataDir, 'log'), scope, progress), live: false };
  }
  try {
    return { report: await auditLive(log, scope, progress), live: true };
  } finally {
    await log.close();
  }
}

/** Slot by slot, each up to where it ended when its reading began: what is appended meanwhile is the next audit's. */
export async function auditLive(
  log: Pick<EventLog, 'readSlot'>,
  scope: Scope,
  progress: Progress,
): Promise<AuditReport> {
  const whole = new LogAudit();
  for (const [i, slot] of scope.slots.entries()) {
    // One audit a slot: what it remembers of players and streams goes when the slot is done (I5).
    const audit = new LogAudit();
    try {
      let end: number | undefined;
      for (let from = 0; end === undefined || from < end; ) {
        const page = await log.readSlot(slot, from as Parameters<EventLog['readSlot']>[1], readBytes);
        end ??= page.end;
        for (const record of page.records) if (isInScope(record, scope)) audit.record(record);
        progress(i / scope.slots.length, whole.report.events + audit.report.events);
        if (page.next <= from) break;
        from = page.next;
      }
    } catch (error) {
      if (!(error instanceof LogDamagedError)) throw error;
      audit.unreadable(undefined, 0, `slot ${slot}: ${error.message}`);
    }
    whole.add(audit.report);
  }
  progress(1, whole.report.events);
  return whole.report;
}

/** In the order of the segments, all slots at once. */
export async function auditSegments(folder: string, scope: Scope, progress: Progress): Promise<AuditReport> {
  const audit = new LogAudit();
  const slots = new Set(scope.slots);
  for await (const item of openSegmentsReadOnly(folder)) {
    if (item.kind === 'record' && slots.has(item.slot) && isInScope(item.record, scope)) audit.record(item.record);
    else if (item.kind === 'damage') {
      const place = `the log is damaged from ${item.from} to ${item.to}: ${item.what}`;
      if (item.record === undefined) audit.unreadable(undefined, 0, place);
      else if (isInScope(item.record, scope)) audit.unreadable(item.record.stream, item.record.version, place);
    }
    if (audit.report.batches % 1_000 === 0) progress(0, audit.report.events);
  }
  progress(1, audit.report.events);
  return audit.report;
}

const isInScope = (record: LogRecord, scope: Scope): boolean =>
  scope.hunt === undefined || (record.stream.kind === 'hunt' && record.stream.id === scope.hunt);
