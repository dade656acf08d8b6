/**
 * Commands against the log (I1, I4): what was acknowledged is there, at that version, once; a duplicate names the first
 * outcome; what was refused for good, or as surely not done, is not there; a seq that is taken is refused to others.
 */
import { judgeEffects, type LedgerEntry } from '../../host/black-box/judge/effects.ts';
import type { HuntEvidence } from '../evidence.ts';
import type { Commanded, Conflicting, Outdated, Steered } from '../history.ts';

export function checkEffects(
  { hunt, events }: HuntEvidence,
  commands: readonly Commanded[],
  conflicts: readonly Conflicting[],
  outdated: readonly Outdated[],
  steered: readonly Steered[],
): string[] {
  const faults = judgeEffects(events, commands.map(asKnown)).map(
    ({ kind, detail, version }) =>
      `hunt ${hunt}${version === undefined ? '' : ` at version ${version}`}: ${kind}: ${detail}`,
  );
  for (const command of commands) {
    if (!command.isAbandoned || command.unknown > 0) continue;
    const found = events.find(({ player, seq }) => player === command.player && seq === command.seq);
    if (found !== undefined)
      faults.push(
        `hunt ${hunt} at version ${found.version}: surely not done: ${command.player} seq ${command.seq} was only ever told ${command.replies.map((reply) => (reply.kind === 'nack' ? reply.code : 'ack')).join(', ')}`,
      );
  }
  for (const { player, seq, replies } of conflicts)
    for (const reply of replies)
      if (reply.version !== undefined)
        faults.push(`hunt ${hunt}: ${player} seq ${seq} was accepted for another action too`);
  for (const { player, seq, sentUpTo } of outdated) {
    // Whatever the hunt had of the player by then, it was among what had been sent.
    const highest = events.reduce(
      (max, event) => (event.player === player && (event.seq ?? 0) <= sentUpTo ? Math.max(max, event.seq ?? 0) : max),
      0,
    );
    if (seq > highest - seqsRemembered)
      faults.push(`hunt ${hunt}: ${player} seq ${seq} is said to be too old, and ${highest} is the highest there is`);
  }
  return [...faults, ...steered.flatMap((one) => checkSteering(hunt, events, one))];
}

/** As PROTOCOL.md promises it. */
const seqsRemembered = 16;

/** While a sending may still be under way, a refusal is not the last word. */
const asKnown = (command: Commanded): LedgerEntry =>
  command.unknown === 0
    ? command
    : {
        ...command,
        replies: [...command.replies, { kind: 'nack', code: 'UNAVAILABLE', retryable: true, version: undefined }],
      };

const surelyNot = new Set(['BUSY', 'RATE_LIMITED', 'NOT_OWNER']);

/** A designer's verbs carry texts that occur once, so that their events can be told apart. */
function checkSteering(hunt: number, events: HuntEvidence['events'], { verb, body, key, outcome }: Steered): string[] {
  const mark = verb === 'announce' ? body.text : verb === 'adjust' ? body.reason : undefined;
  if (mark === undefined) return [];
  const found = events.filter((event) => event[verb === 'announce' ? 'text' : 'reason'] === mark);
  const what = `hunt ${hunt}: ${verb} "${String(mark)}"${key === undefined ? ', sent once' : ''}`;
  if (found.length > 1) return [`${what} is in the log ${found.length} times`];
  if (outcome === undefined) return [];
  if (outcome.ok) {
    if (found.length === 0) return [`${what} was acknowledged at version ${outcome.version}, and is not in the log`];
    if (found[0]?.version !== outcome.version)
      return [`${what} was acknowledged at version ${outcome.version}, and stands at ${found[0]?.version}`];
    return [];
  }
  // Unkeyed: one try, so that what it was told is the last word. Keyed ones end with an answer.
  const isRefused = outcome.code !== 'UNAVAILABLE' && (key !== undefined || outcome.code !== 'INTERNAL');
  if (isRefused && found.length > 0)
    return [
      `${what} was ${surelyNot.has(outcome.code) ? 'surely not done' : 'refused'} (${outcome.code}), yet stands at ${found[0]?.version}`,
    ];
  return [];
}
