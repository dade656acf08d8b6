/**
 * Refusals that had no effect, against the log: each must be what the hunt says of that command at some version that nobody
 * had been told to be past. So a refusal from an old owner, or from a state that never came to be, is found though it left no trace.
 */
import { parseAction } from '../../../actors/hunt/action.ts';
import { huntActor } from '../../../actors/hunt/actor.ts';
import { SubmitRequest } from '../../../proto/generated/hunt/v1/ingest.ts';
import type { HuntEvidence } from '../evidence.ts';
import type { Commanded } from '../history.ts';
import { usPerMs } from '../sim-process.ts';
import { Fold } from './fold.ts';
import type { Told } from './read-checker.ts';

/** Those that time alone does not change. */
const judged: ReadonlySet<string> = new Set([
  'NOT_JOINED',
  'ALREADY_DONE',
  'ALREADY_CLAIMED',
  'OUT_OF_STOCK',
  'FINISHED',
  'DISQUALIFIED',
  'NO_ATTEMPTS',
  'NO_TEAM',
  'TEAM_FULL',
  'NO_HINTS',
  'NOT_FOUND',
]);
/** What a node decides on may be so far ahead of what anybody was told. */
const versionsAheadMax = 100;

/** By which clocks differ, and a little more. */
const skewMs = 60;

interface Open {
  readonly command: Commanded;
  readonly submitted: Submitted | undefined;
  readonly code: string;
  readonly from: number;
  readonly to: number;
  /** Clocks at which it may have been decided. */
  readonly times: readonly number[];
}

/** `beganAt`: when the history's time was 0; ms since 1970. */
export function checkRefusals(
  { hunt, stored }: HuntEvidence,
  commands: readonly Commanded[],
  told: Told,
  beganAt: number,
): string[] {
  const waiting = commands.flatMap((command) => openOf(command, told, beganAt)).sort((a, b) => a.from - b.from);
  const fold = new Fold(hunt);
  const faults: string[] = [];
  let open: Open[] = [];
  let next = 0;
  const look = (): void => {
    for (; (waiting[next]?.from ?? Number.POSITIVE_INFINITY) <= fold.version; next++) open.push(waiting[next] as Open);
    open = open.filter((one) => {
      if (one.times.some((at) => codeAt(fold, one, at) === one.code)) return false;
      if (fold.version < one.to) return true;
      faults.push(wordsFor(hunt, one));
      return false;
    });
  };
  look();
  for (const event of stored) {
    fold.step(event);
    look();
  }
  for (const one of [...open, ...waiting.slice(next)]) faults.push(wordsFor(hunt, one));
  return faults;
}

function openOf(command: Commanded, told: Told, beganAt: number): Open[] {
  const { refusal, sentAt } = command;
  if (refusal === undefined || !judged.has(refusal.code)) return [];
  const from = told.before(sentAt);
  const to = told.before(refusal.at) + versionsAheadMax;
  const times = [sentAt / usPerMs - skewMs, refusal.at / usPerMs + skewMs].map((ms) => beganAt + Math.round(ms));
  return [{ command, submitted: submittedBy(command), code: refusal.code, from, to, times }];
}

/** As the hunt gets it; undefined: it is not even a command. */
function submittedBy({ player, seq, action: asked, hunt }: Commanded) {
  const parsed = parseAction(asked);
  if (!parsed.ok) return undefined;
  const bytes = SubmitRequest.encode({ huntId: hunt, playerId: player, seq, action: parsed.action }).finish();
  const decoded = huntActor.submit?.decode(bytes);
  if (decoded === undefined || 'code' in decoded.action) return undefined;
  return { player, seq, fingerprint: decoded.fingerprint, action: decoded.action };
}
type Submitted = NonNullable<ReturnType<typeof submittedBy>>;

/** What the hunt would say of the command now. */
function codeAt(fold: Fold, { submitted }: Open, clock: number): string {
  if (submitted === undefined) return 'INVALID';
  const at = Math.max(clock, fold.lastAt);
  const decision = huntActor.decider.decide({ ...submitted, at }, fold, () => undefined);
  return decision.kind === 'refused' ? decision.refusal.code : decision.kind === 'nothing' ? 'ALREADY_DONE' : 'done';
}

const wordsFor = (hunt: number, { command, code, from, to }: Open): string =>
  `hunt ${hunt}: ${command.player} seq ${command.seq} (${command.action.type}) was refused with ${code}, which is true at no version from ${from} to ${to}`;
