/** Judges one run by what clients saw and what the log holds, and by nothing else. Each question has a checker of its own. */

import { eventsOf } from '../../gateway/admin/log-event-reader.ts';
import type { Position, Slot } from '../../proto/ids.ts';
import { EmbeddedLog } from '../../runtime/log/embedded/client.ts';
import type { LogRecord } from '../../runtime/log/event-log.ts';
import type { LogAudit } from '../cli/log-verify/log-audit.ts';
import { judgeEffects } from '../host/black-box/judge/effects.ts';
import { told } from '../host/black-box/judge/fault.ts';
import { judgeHistory } from '../host/black-box/judge/history.ts';
import { judgeDelivery } from '../host/black-box/judge/subscription.ts';
import type { FullEvent } from '../host/black-box/wire.ts';
import { showEvent } from '../host/hunt-events.ts';
import type { SimCluster } from './cluster.ts';
import type { History } from './history.ts';
import { logAddr } from './log-role.ts';
import type { SimProcess } from './sim-process.ts';

export interface Evidence {
  /** Of every slot, in the order of the log. */
  readonly records: readonly LogRecord[];
  /** Each hunt's history as its designer may see it. */
  readonly histories: ReadonlyMap<number, readonly FullEvent[]>;
  readonly audit: LogAudit;
}

export async function gatherEvidence(process: SimProcess, cluster: SimCluster, audit: LogAudit): Promise<Evidence> {
  const { clock, timers, random } = process;
  const sockets = cluster.network.socketsOf(process);
  const log = await EmbeddedLog.connect({ socketPath: logAddr, clock, timers, random, sockets });
  const records: LogRecord[] = [];
  const histories = new Map<number, FullEvent[]>();
  const ends = await log.ends();
  for (const [slot, end] of ends.entries()) {
    if (end === 0) continue;
    for (let from = 0 as Position; ; ) {
      const page = await log.readSlot(slot as Slot, from);
      for (const record of page.records) {
        records.push(record);
        audit.record(record);
        if (record.stream.kind !== 'hunt') continue;
        const history = histories.get(record.stream.id) ?? [];
        histories.set(record.stream.id, history);
        for (const event of eventsOf(record)) history.push(showEvent(event) as unknown as FullEvent);
      }
      if (page.next >= page.end) break;
      from = page.next;
    }
  }
  await log.close();
  return { records, histories, audit };
}

export function judgeRun(history: History, evidence: Evidence, _cluster: SimCluster): string[] {
  const faults: string[] = [];
  const { report } = evidence.audit;
  if (!report.ok) faults.push(`the log: ${JSON.stringify(report.first_faults)}`);
  for (const { hunt } of history.hunts) {
    const events = evidence.histories.get(hunt) ?? [];
    const ledger = history.commands.filter((command) => command.hunt === hunt);
    const found = [...judgeHistory(events), ...judgeEffects(events, ledger)];
    for (const followed of history.followed) {
      if (followed.hunt !== hunt) continue;
      found.push(...followed.judge.faults);
      if (followed.judge.mode === 'all') found.push(...judgeDelivery(followed.judge, events));
    }
    if (found.length > 0) faults.push(`hunt ${hunt}: ${told(found)}`);
  }
  return faults;
}
