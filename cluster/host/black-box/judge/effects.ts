/** Judges that every command had exactly the effect that its replies tell (I1, I4; PROTOCOL.md). Pure. */
import type { Ack, Action, FullEvent, Nack } from '../wire.ts';
import { type Fault, fault } from './fault.ts';

/** What a client knows of one command: everything that it was ever answered. */
export interface LedgerEntry {
  readonly player: string;
  readonly seq: number;
  readonly action: Action;
  readonly replies: Reply[];
}

export type Reply =
  | { readonly kind: 'ack'; readonly version: number; readonly events: number; readonly duplicate: boolean }
  | { readonly kind: 'nack'; readonly code: string; readonly retryable: boolean; readonly version: number | undefined };

/** A reply as the ledger keeps it. */
export const noted = (reply: Ack | Nack): Reply =>
  reply.t === 'ack'
    ? { kind: 'ack', version: reply.version, events: reply.events, duplicate: reply.duplicate === true }
    : { kind: 'nack', code: reply.code, retryable: reply.retryable, version: reply.version };

const primaries: Readonly<Record<string, readonly string[]>> = {
  join: ['PlayerJoined'],
  leave: ['PlayerLeft'],
  finish: ['PlayerFinished'],
  create_team: ['TeamCreated'],
  join_team: ['TeamJoined'],
  check_in: ['StageCompleted'],
  answer: ['StageCompleted', 'AnswerRejected'],
  scan: ['StageCompleted', 'AnswerRejected'],
  claim: ['TreasureClaimed'],
  hint: ['HintTaken'],
  skip: ['StageSkipped'],
};

/**
 * Every player in the ledger must have all of its commands there: an event of theirs that no entry explains is a fault.
 * A command that was never answered may have had its effect or none.
 */
export function judgeEffects(events: readonly FullEvent[], ledger: readonly LedgerEntry[]): Fault[] {
  const faults: Fault[] = [];
  const byCommand = new Map<string, FullEvent[]>();
  for (const event of events) {
    if (event.seq === undefined) continue;
    const key = `${event.player} seq ${event.seq}`;
    const list = byCommand.get(key);
    if (list === undefined) byCommand.set(key, [event]);
    else list.push(event);
  }
  const players = new Set(ledger.map((entry) => entry.player));
  for (const entry of ledger) {
    const key = `${entry.player} seq ${entry.seq}`;
    faults.push(...judgeCommand(key, entry, byCommand.get(key) ?? []));
    byCommand.delete(key);
  }
  for (const [key, list] of byCommand) {
    if (players.has(list[0]?.player ?? ''))
      faults.push(fault('phantom', `${list.length} events of ${key}, which no client sent`, list[0]?.version));
  }
  return faults;
}

function judgeCommand(key: string, entry: LedgerEntry, found: readonly FullEvent[]): Fault[] {
  const faults: Fault[] = [];
  const effects = entry.replies.filter((reply) => reply.version !== undefined);
  const first = effects[0];
  for (const other of effects) {
    if (other.kind !== first?.kind || other.version !== first.version)
      faults.push(fault('two outcomes', `${key}: ${JSON.stringify(first)}, then ${JSON.stringify(other)}`));
  }
  const last = entry.replies.at(-1);
  if (first === undefined) {
    const refused = last?.kind === 'nack' && !last.retryable;
    if (refused && found.length > 0)
      faults.push(
        fault(
          'effect of a refusal',
          `${key} was refused with ${last.code}, yet has ${found.length} events`,
          found[0]?.version,
        ),
      );
    if (!refused && found.length > 0) faults.push(...judgeContent(key, entry.action, found, undefined));
    return faults;
  }
  const count = first.kind === 'ack' ? first.events : found.length;
  const versions = found.map((event) => event.version);
  if (found.length === 0)
    return [
      ...faults,
      fault('lost', `${key} was answered with version ${first.version}, the log has no event of it`, first.version),
    ];
  const contiguous = versions.every((version, i) => version === (versions[0] as number) + i);
  if (!contiguous || versions.at(-1) !== first.version || versions.length !== count) {
    faults.push(
      fault(
        'doubled or torn',
        `${key}: the reply says ${count} events up to ${first.version}, the log has ${versions.join(', ')}`,
        first.version,
      ),
    );
  }
  return [...faults, ...judgeContent(key, entry.action, found, first.kind)];
}

function judgeContent(
  key: string,
  action: Action,
  found: readonly FullEvent[],
  kind: Reply['kind'] | undefined,
): Fault[] {
  const allowed = primaries[action.type] ?? [];
  const primary = found[0] as FullEvent;
  if (!allowed.includes(primary.type))
    return [fault('wrong event', `${key}: ${action.type} led to ${primary.type}`, primary.version)];
  if (kind !== undefined && (kind === 'nack') !== (primary.type === 'AnswerRejected'))
    return [fault('wrong event', `${key}: a ${kind} stands for ${primary.type}`, primary.version)];
  const again = found.slice(1).find((event) => event.type === primary.type);
  if (again !== undefined) return [fault('doubled', `${key}: ${primary.type} twice`, again.version)];
  for (const field of ['treasure', 'stage', 'team'] as const) {
    const asked = action[field];
    if (asked !== undefined && primary[field] !== undefined && primary[field] !== asked)
      return [fault('wrong event', `${key}: ${field} is ${primary[field]}, asked was ${asked}`, primary.version)];
  }
  return [];
}

/** Refusals that no player should have met: a failover must show as waiting, not as an error. */
export function judgeRefusals(ledger: readonly LedgerEntry[]): Fault[] {
  return ledger.flatMap((entry) =>
    entry.replies.flatMap((reply) =>
      reply.kind === 'nack' && !reply.retryable
        ? [fault('refused', `${entry.player} seq ${entry.seq} (${entry.action.type}): ${reply.code}`)]
        : [],
    ),
  );
}
