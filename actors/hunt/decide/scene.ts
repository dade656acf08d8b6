import type { Command, Decision, Refusal, State } from '../../../runtime/decider.ts';
import type { HuntAction } from '../command.ts';
import type { Outcome, StoredEvent } from '../event.ts';
import { type Clockwork, clockwork, isInWindow, isSettled } from '../progress.ts';
import type { Rulebook, Stage } from '../rulebook.ts';
import { type Header, type Member, type PlayerRow, type Progress, rulesOf, type TeamRow, teamRowId } from '../state.ts';

export type HuntCommand = Command<HuntAction>;
export type HuntState = State<Header, Member>;
export type HuntDecision = Decision<StoredEvent>;

export interface Entrant {
  readonly progress: Progress;
  readonly name: string;
}

export const playerIn = (state: HuntState, id: string): PlayerRow => rowIn(state, id) as PlayerRow;
export const teamIn = (state: HuntState, id: string): TeamRow => rowIn(state, teamRowId(id)) as TeamRow;
function rowIn(state: HuntState, id: string): Member {
  const row = state.row(id);
  if (row === undefined) throw new Error(`row ${id} was needed and is not there`);
  return row.member;
}

export const refused = (
  code: Refusal['code'],
  message: string,
  more: Omit<Refusal, 'code' | 'message'> = {},
): { kind: 'refused'; refusal: Refusal } => ({ kind: 'refused', refusal: { code, message, ...more } });

/**
 * One command being decided: what it may look at, and the events that it has led to so far. Nothing of the state is
 * changed here; the running points are kept beside it, so that each event names the standing before it (its prior).
 */
export class Scene {
  readonly header: Header;
  readonly rules: Rulebook;
  readonly time: Clockwork;
  readonly events: StoredEvent[] = [];
  readonly #settled = new Set<string>();
  // Looked up once: nothing changes while a command is decided.
  #player: PlayerRow | undefined;
  #team: TeamRow | undefined;
  #standing: { points: number; reached: number } | undefined;

  constructor(
    readonly command: HuntCommand,
    readonly state: HuntState,
  ) {
    this.header = state.header;
    this.rules = rulesOf(state.header);
    this.time = clockwork(state.header, command.at);
  }

  get at(): number {
    return this.command.at;
  }
  get isTeamHunt(): boolean {
    return this.rules.definition.entry === 'team';
  }
  /** The acting player's row. */
  get player(): PlayerRow {
    this.#player ??= playerIn(this.state, this.command.player);
    return this.#player;
  }
  get team(): TeamRow | undefined {
    const { team } = this.player;
    if (team !== '') this.#team ??= teamIn(this.state, team);
    return this.#team;
  }
  /** Who scores for the acting player; undefined: a player without a team, in a team hunt. */
  get entrant(): Entrant | undefined {
    return this.isTeamHunt ? this.team : this.player;
  }
  /** After the membership checks there is one. */
  get progress(): Progress {
    const { entrant } = this;
    if (entrant === undefined) throw new Error('a rule looked at progress before membership');
    return entrant.progress;
  }

  emit(outcome: Outcome, emitted: Emitted = {}): StoredEvent {
    const { command } = this;
    const event: StoredEvent = {
      huntId: this.header.huntId,
      version: 0,
      playerId: emitted.player ?? command.player,
      seq: command.seq,
      occurredAt: command.at,
      vector: [],
      teamId: emitted.team ?? '',
      by: command.by ?? '',
      fingerprint: command.fingerprint,
      points: emitted.points ?? 0,
      outcome,
      prior: undefined,
    };
    if (emitted.voided !== undefined) event.voided = emitted.voided;
    if (emitted.requestKey !== undefined) event.requestKey = emitted.requestKey;
    if (emitted.settled !== undefined) event.settled = emitted.settled;
    if (emitted.opened !== undefined) event.opened = emitted.opened;
    if (emitted.resumes !== undefined) event.resumes = emitted.resumes;
    this.events.push(event);
    return event;
  }

  /** An event that changes the entrant's standing or is shown in it: points, its end, its name. */
  emitFor({ progress, name }: Entrant, outcome: Outcome, emitted: Emitted = {}): StoredEvent {
    this.#standing ??= { points: progress.points, reached: progress.reached };
    const { points, reached } = this.#standing;
    const { standings } = this.header;
    const isRanked = progress.created > 0 && !progress.banned;
    // Among leaders that are everybody, the header has the name already.
    const isKnown = isRanked && standings.entrants <= standings.leaders.length;
    const event = this.emit(outcome, emitted);
    event.prior = {
      points,
      reachedVersion: reached,
      ranked: isRanked,
      name: isKnown ? '' : name,
      finishedAt: isKnown ? 0 : progress.finishedAt,
    };
    if (event.points !== 0)
      this.#standing = { points: points + event.points, reached: this.state.version + this.events.length };
    return event;
  }

  /** As {@link emitFor}, for the acting player's entrant. */
  act(outcome: Outcome, points = 0, aid: Pick<Emitted, 'opened' | 'settled'> = {}): StoredEvent {
    const { entrant, player } = this;
    if (entrant === undefined) throw new Error('an entrant acted before it was one');
    const { opened, settled } = aid;
    return this.emitFor(entrant, outcome, { points, team: player.team, opened, settled });
  }

  isSettled(stage: Stage): boolean {
    return this.#settled.has(stage.id) || isSettled(this.progress.marks.get(stage.id));
  }

  /** Settles a stage by that event: names the stages that it opens. */
  settle(stage: Stage, outcome: Outcome, points: number): void {
    this.#settled.add(stage.id);
    const opened = this.rules.stages.filter(
      (other) =>
        !this.isSettled(other) &&
        other.after.includes(stage) &&
        isInWindow(other, this.at) &&
        other.after.every((before) => this.isSettled(before)),
    );
    this.act(outcome, points, opened.length > 0 ? { opened: opened.map(({ id }) => id) } : {});
  }

  /** The end of a decision. Settling the last stage ends the entrant's play. */
  done(): HuntDecision {
    if (
      this.#settled.size > 0 &&
      this.progress.finishedAt === 0 &&
      this.rules.stages.every((stage) => this.isSettled(stage))
    ) {
      this.act({ $case: 'playerFinished', value: {} }, 0, { settled: true });
    }
    return { kind: 'events', events: this.events };
  }
}

interface Emitted {
  readonly points?: number;
  readonly player?: string;
  readonly team?: string;
  readonly voided?: StoredEvent['voided'];
  readonly requestKey?: string;
  readonly settled?: boolean | undefined;
  readonly opened?: string[] | undefined;
  readonly resumes?: boolean;
}
