/**
 * What would have become of a hunt under another definition: every command that left an event is decided again, in order
 * and with its own time, by the same decider, and its outcome is compared. Owns two hunts in memory: the real one as its
 * log tells it, and the shadow. Writes nothing, reads no clock (I3). Commands without an event (a refusal) are not in the
 * log and cannot be decided again.
 */
import { systemPlayer } from '../../proto/ids.ts';
import type { Row } from '../../runtime/decider.ts';
import { initialHeader, nextAlarm } from './actor.ts';
import type { HuntAction } from './command.ts';
import { decide } from './decide/decide.ts';
import type { HuntCommand, HuntDecision, HuntState } from './decide/scene.ts';
import { voidable } from './decide/void.ts';
import type { HuntDefinition } from './definition.ts';
import { eventType, type StoredEvent } from './event.ts';
import { evolveHeader } from './evolve-header.ts';
import { evolveMember, membersOf } from './evolve-member.ts';
import { actionBehind, type Hindsight } from './shadow-action.ts';
import { type Header, initialMember, type Member, rulesOf, teamRowId } from './state.ts';

/** Differences that are listed; the others are counted. */
export const differencesMax = 1_000;
/** With more entrants no ranks are compared. */
export const rankedEntrantsMax = 5_000;

export interface ShadowReport {
  /** Of the real log, that the run went over. */
  readonly events: number;
  readonly differences: readonly ShadowDifference[];
  /** Differences that are not listed. */
  readonly more: number;
  /** Entrants whose last rank would be another; absent where there are too many entrants. */
  readonly ranks?: readonly ShadowRank[];
  /** Why the definition cannot be published now. */
  readonly refused?: { readonly code: string; readonly message: string };
}
export interface ShadowDifference {
  /** Of the command's first event. */
  readonly version: number;
  readonly player: string;
  /** Types of the command's events. */
  readonly was: string;
  /** The same in the shadow, or the code of the refusal. */
  readonly would_be: string;
  /** The command's points, where they differ. */
  readonly points_was?: number;
  readonly points_would_be?: number;
}
export interface ShadowRank {
  readonly player?: string;
  readonly team?: string;
  readonly was?: number;
  readonly would_be?: number;
}

export class ShadowRun {
  readonly #real: Replay;
  readonly #shadow: Replay;
  readonly #teams = new Map<string, string>();
  /** By real version: what can be voided, as it stands in the shadow. */
  readonly #voidable = new Map<number, StoredEvent>();
  readonly #voidableInShadow = new Map<number, StoredEvent>();
  readonly #differences: ShadowDifference[] = [];
  #more = 0;

  constructor(
    huntId: number,
    private readonly definition: HuntDefinition,
  ) {
    this.#real = new Replay(huntId);
    this.#shadow = new Replay(huntId);
  }

  /** The next events of the log, whole records at a time: a record holds all events of its commands. */
  take(events: readonly StoredEvent[]): void {
    for (let start = 0; start < events.length; ) {
      const first = events[start]!;
      let end = start + 1;
      if (first.seq > 0) while (events[end]?.seq === first.seq && events[end]?.playerId === first.playerId) end++;
      this.#command(events.slice(start, end));
      start = end;
    }
  }

  /** Everything was taken. `at`: the present time, at which the definition would be published. */
  report(at: number): ShadowReport {
    const published = this.#real.decide({
      player: '@admin',
      seq: 0,
      fingerprint: 0,
      at,
      action: { $case: 'publish', definition: this.definition, reason: '', key: '' },
    });
    const ranks = this.#ranks();
    return {
      events: this.#real.version,
      differences: this.#differences,
      more: this.#more,
      ...(ranks === undefined ? {} : { ranks }),
      ...(published.kind === 'refused'
        ? { refused: { code: published.refusal.code, message: published.refusal.message } }
        : {}),
    };
  }

  #command(real: readonly StoredEvent[]): void {
    const first = real[0]!;
    if (first.outcome?.$case === 'huntCreated') this.#create(first, first.outcome.value);
    else if (first.playerId !== systemPlayer) this.#again(real, first);
    for (const event of real) this.#real.fold(event);
  }

  #create(event: StoredEvent, { owner, lineage }: { owner: string; lineage: string }): void {
    const { definition } = this;
    this.#play(event, { $case: 'create', definition, owner, lineage, joinCode: event.joinCode ?? '' });
  }

  #again(real: readonly StoredEvent[], first: StoredEvent): void {
    const action = actionBehind(real, this.#hindsight);
    if (action === undefined) return;
    // As the runtime does: what is due comes first.
    this.#shadow.wake(first.occurredAt);
    const decision = this.#play(first, action);
    const made = decision.kind === 'events' ? decision.events : [];
    this.#pair(real, made);
    const was = typesOf(real);
    const wouldBe = decision.kind === 'refused' ? decision.refusal.code : typesOf(made);
    const [pointsWas, pointsWouldBe] = [pointsOf(real), pointsOf(made)];
    if (was === wouldBe && pointsWas === pointsWouldBe) return;
    if (this.#differences.length >= differencesMax) {
      this.#more++;
      return;
    }
    this.#differences.push({
      version: first.version,
      player: first.playerId,
      was,
      would_be: wouldBe,
      ...(pointsWas === pointsWouldBe ? {} : { points_was: pointsWas, points_would_be: pointsWouldBe }),
    });
  }

  #play(first: StoredEvent, action: HuntAction): HuntDecision {
    const { playerId, seq, fingerprint, occurredAt: at, by } = first;
    // A designer's act is about a player, but it is not that player's.
    const player = seq > 0 ? playerId : '@admin';
    const decision = this.#shadow.decide({ player, seq, fingerprint, at, by, action }, (version) =>
      this.#voidableInShadow.get(version),
    );
    if (decision.kind === 'events') for (const event of decision.events) this.#shadow.append(event);
    return decision;
  }

  /** Remembers which event of the shadow stands for which real one. */
  #pair(real: readonly StoredEvent[], made: readonly StoredEvent[]): void {
    for (const event of real) {
      const twin = made.find(({ outcome }) => outcome?.$case === event.outcome?.$case);
      if (twin?.outcome === undefined) continue;
      if (twin.outcome.$case === 'teamCreated') this.#teams.set(event.teamId, twin.teamId);
      if (!voidable.has(twin.outcome.$case)) continue;
      this.#voidable.set(event.version, twin);
      this.#voidableInShadow.set(twin.version, twin);
    }
  }

  readonly #hindsight: Hindsight = {
    rules: () => rulesOf(this.#real.header),
    teamInShadow: (team) => this.#teams.get(team) ?? team,
    teamRow: (team) => this.#real.row(teamRowId(team)).member,
    // A version that is none: what never happened cannot be voided.
    versionInShadow: (version) => this.#voidable.get(version)?.version ?? 0,
  };

  #ranks(): ShadowRank[] | undefined {
    const [real, shadow] = [this.#real.ranking(), this.#shadow.ranking()];
    if (real.length > rankedEntrantsMax || shadow.length > rankedEntrantsMax) return undefined;
    const wouldBe = new Map(shadow.map((id, i) => [id, i + 1]));
    const changed: ShadowRank[] = [];
    const note = (id: string, was: number | undefined, would: number | undefined): void => {
      changed.push({
        ...(id.startsWith('#') ? { team: id.slice(1) } : { player: id }),
        ...(was === undefined ? {} : { was }),
        ...(would === undefined ? {} : { would_be: would }),
      });
    };
    real.forEach((id, i) => {
      const twin = id.startsWith('#') ? teamRowId(this.#hindsight.teamInShadow(id.slice(1))) : id;
      const would = wouldBe.get(twin);
      wouldBe.delete(twin);
      if (would !== i + 1) note(id, i + 1, would);
    });
    for (const [id, would] of wouldBe) note(id, undefined, would);
    return changed.slice(0, differencesMax);
  }
}

/** A hunt held whole in memory. */
class Replay {
  readonly header: Header;
  readonly #rows = new Map<string, Row<Member>>();
  version = 0;

  constructor(huntId: number) {
    this.header = initialHeader(huntId);
  }

  row(id: string): Row<Member> {
    let row = this.#rows.get(id);
    if (row === undefined) {
      row = { id, lastSeq: 0, member: initialMember(id) };
      this.#rows.set(id, row);
    }
    return row;
  }

  decide(
    command: HuntCommand,
    referenced: (version: number) => StoredEvent | undefined = () => undefined,
  ): HuntDecision {
    const state: HuntState = { header: this.header, version: this.version, row: (id) => this.row(id) };
    return decide(command, state, referenced);
  }

  /** What is due by time until then. */
  wake(at: number): void {
    for (let due = nextAlarm(this.header); due !== undefined && due <= at; due = nextAlarm(this.header)) {
      const decision = this.decide({ player: systemPlayer, seq: 0, fingerprint: 0, at, action: { $case: 'wake' } });
      if (decision.kind !== 'events') return;
      for (const event of decision.events) this.append(event);
    }
  }

  append(event: StoredEvent): void {
    event.version = this.version + 1;
    this.fold(event);
  }

  fold(event: StoredEvent): void {
    this.version = event.version;
    evolveHeader(this.header, event);
    for (const id of membersOf(event)) evolveMember(this.row(id).member, event);
  }

  /** Row ids of the ranked entrants, the first first. */
  ranking(): string[] {
    return [...this.#rows.values()]
      .filter(({ member: { progress } }) => progress.created > 0 && !progress.banned)
      .sort(({ member: { progress: a } }, { member: { progress: b } }) => b.points - a.points || a.reached - b.reached)
      .map(({ id }) => id);
  }
}

const typesOf = (events: readonly StoredEvent[]): string => events.map(eventType).join(' + ');
const pointsOf = (events: readonly StoredEvent[]): number => events.reduce((sum, { points }) => sum + points, 0);
