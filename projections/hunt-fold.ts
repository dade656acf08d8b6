import { pack, unpack } from 'msgpackr';
import { huntActor } from '../actors/hunt/actor.ts';
import type { HuntDefinition } from '../actors/hunt/definition.ts';
import type { StoredEvent } from '../actors/hunt/event.ts';
import { rulebook } from '../actors/hunt/rulebook.ts';
import type { Header, Member } from '../actors/hunt/state.ts';
import type { PlayerRow, SnapshotRow, TreasureRow } from './hunt-rows.ts';
import { playerRowOf, snapshotRowOf, treasureRowOf, treasuresOf } from './row-shape.ts';

/**
 * One hunt as the projector folds it: the domain's own header and members, by the domain's own `evolve`, and which of its
 * rows differ from the tables.
 *
 * Owns: the header and those members that a batch touched. Does not load or write: `supply` is given rows, `take` gives
 * them. Keeps (I3): the rows are a function of the events alone, whoever folded them and in whatever batches.
 */
export interface SavedSnapshot {
  readonly generation: number;
  readonly version: number;
  readonly createdAt: number;
  readonly updatedAt: number;
  readonly definition: string;
  readonly header: Uint8Array;
}
export interface SavedMember {
  readonly memberId: string;
  readonly version: number;
  readonly updatedAt: number;
  readonly row: Uint8Array;
}

/** Events that cannot follow what the rows say: the rows or the log were tampered with. */
export class ContradictionError extends Error {
  override readonly name = 'ContradictionError';
}

export interface HuntRows {
  readonly snapshot: SnapshotRow | undefined;
  readonly players: readonly PlayerRow[];
  readonly treasures: readonly TreasureRow[];
}

/** A version, and the time of its event. */
export interface Touch {
  readonly version: number;
  readonly at: number;
}
interface Kept {
  readonly member: Member;
  touch: Touch;
}

const { decider, header: headerCodec, member: memberCodec } = huntActor;

/** What packed bytes grow to in memory, about, and what a row takes besides. */
const memoryPerByte = 4;
const memberOverheadBytes = 300;

export class HuntFold {
  version = 0;
  readonly header: Header;
  readonly #members = new Map<string, Kept>();
  /** Every member of the hunt is here: it was folded from its first event on. */
  #isComplete: boolean;
  #createdAt = 0;
  #lastAt = 0;
  #definitionSaved = 0;
  #savedTo = 0;
  readonly #dirtyMembers = new Set<string>();
  readonly #dirtyTreasures = new Map<string, Touch>();
  #headerBytes = 2_048;
  #definitionBytes = 2_048;
  #memberBytes = 0;

  constructor(
    readonly huntId: number,
    readonly generation: number,
    saved?: SavedSnapshot,
  ) {
    this.#isComplete = saved === undefined;
    if (saved === undefined) {
      this.header = decider.initialHeader(huntId);
      return;
    }
    this.header = headerCodec.unpack(unpack(saved.header));
    if (saved.definition !== '') this.header.rules = rulebook(JSON.parse(saved.definition) as HuntDefinition);
    this.version = saved.version;
    this.#savedTo = saved.version;
    this.#createdAt = saved.createdAt;
    this.#lastAt = saved.updatedAt;
    this.#definitionSaved = this.header.definitionVersion;
    this.#headerBytes = saved.header.byteLength;
    this.#definitionBytes = saved.definition.length;
  }

  /** About what it takes in memory. */
  get bytes(): number {
    return (this.#headerBytes + this.#definitionBytes) * memoryPerByte + this.#memberBytes;
  }

  /** Members that these events change and whose rows are not here. */
  missing(events: readonly StoredEvent[]): string[] {
    if (this.#isComplete) return [];
    const ids = new Set<string>();
    for (const event of events)
      if (event.version > this.version)
        for (const id of decider.membersOf(event)) if (!this.#members.has(id)) ids.add(id);
    return [...ids];
  }

  /** The rows that there are of the members asked for; the others are new. */
  supply(rows: readonly SavedMember[]): void {
    for (const { memberId, version, updatedAt, row } of rows) {
      if (this.#members.has(memberId)) continue;
      if (version > this.version)
        throw new ContradictionError(
          `the row of ${memberId} is of version ${version}, and its hunt's of ${this.version}`,
        );
      this.#members.set(memberId, {
        member: memberCodec.unpack(unpack(row)),
        touch: { version, at: updatedAt },
      });
      this.#memberBytes += row.byteLength * memoryPerByte + memberOverheadBytes;
    }
  }

  /** Folds one record's events; those that the rows have already are passed over. Returns how many were new. */
  apply(events: readonly StoredEvent[]): number {
    let applied = 0;
    for (const event of events) {
      if (event.version <= this.version) continue;
      if (event.version !== this.version + 1)
        throw new ContradictionError(`version ${event.version} comes after ${this.version}`);
      if (event.huntId !== this.huntId)
        throw new ContradictionError(`version ${event.version} belongs to hunt ${event.huntId}`);
      this.#evolve(event);
      applied++;
    }
    return applied;
  }

  #evolve(event: StoredEvent): void {
    const touch = { version: event.version, at: event.occurredAt };
    for (const id of treasuresOf(this.header, event)) this.#dirtyTreasures.set(id, touch);
    decider.evolveHeader(this.header, event);
    for (const id of treasuresOf(this.header, event)) this.#dirtyTreasures.set(id, touch);
    for (const id of decider.membersOf(event)) {
      let kept = this.#members.get(id);
      if (kept === undefined) {
        kept = { member: decider.initialMember(id), touch };
        this.#members.set(id, kept);
        this.#memberBytes += memberOverheadBytes * 2;
      }
      decider.evolveMember(kept.member, event, id);
      kept.touch = touch;
      this.#dirtyMembers.add(id);
    }
    this.version = event.version;
    this.#lastAt = event.occurredAt;
    if (event.version === 1) this.#createdAt = event.occurredAt;
  }

  /** The rows that changed since the last call. */
  take(): HuntRows {
    if (this.version === this.#savedTo) return { snapshot: undefined, players: [], treasures: [] };
    const { huntId, generation, header } = this;
    const hasNewDefinition = header.definitionVersion !== this.#definitionSaved;
    const definition = hasNewDefinition && header.rules !== undefined ? JSON.stringify(header.rules.definition) : '';
    const packed = pack(headerCodec.pack({ ...header, rules: undefined }));
    const snapshot = snapshotRowOf(header, {
      generation,
      version: this.version,
      createdAt: this.#createdAt,
      updatedAt: this.#lastAt,
      definition,
      packed,
    });
    const players = [...this.#dirtyMembers].map((memberId) => {
      const { member, touch } = this.#members.get(memberId) as Kept;
      return playerRowOf({ huntId, memberId, generation, touch, member, packed: pack(memberCodec.pack(member)) });
    });
    const treasures = [...this.#dirtyTreasures].map(([treasureId, touch]) =>
      treasureRowOf(header, { treasureId, generation, touch }),
    );
    this.#dirtyMembers.clear();
    this.#dirtyTreasures.clear();
    this.#savedTo = this.version;
    this.#definitionSaved = header.definitionVersion;
    this.#headerBytes = packed.byteLength;
    if (definition !== '') this.#definitionBytes = definition.length;
    return { snapshot, players, treasures };
  }

  /** Lets go of the members, all of whose rows are in the table. */
  forgetMembers(): void {
    if (this.#dirtyMembers.size > 0) throw new Error(`hunt ${this.huntId} has members that are not written`);
    this.#members.clear();
    this.#memberBytes = 0;
    this.#isComplete = false;
  }
}
