/**
 * A hunt's state as the log alone gives it, one event after the other, without pages, caches or saves: what every other copy
 * of the state is compared with (I3, I8). Shares the domain's pure functions with the engine, and nothing else.
 */
import { isDeepStrictEqual } from 'node:util';
import { huntActor } from '../../../actors/hunt/actor.ts';
import type { MemberRow } from '../../../runtime/activation/page.ts';
import { remember } from '../../../runtime/command/receipts.ts';
import type { Query, QueryContext } from '../../../runtime/define-actor.ts';
import type { StoredEvent } from '../evidence.ts';

type Kind = typeof huntActor;
type Header = ReturnType<Kind['decider']['initialHeader']>;
type Member = ReturnType<Kind['decider']['initialMember']>;

export class Fold {
  readonly header: Header;
  version = 0;
  lastAt = 0;
  readonly rows = new Map<string, MemberRow<Member>>();

  constructor(readonly hunt: number) {
    this.header = huntActor.decider.initialHeader(hunt);
  }

  step(event: StoredEvent): void {
    const { decider } = huntActor;
    decider.evolveHeader(this.header, event);
    const members = decider.membersOf(event);
    for (const id of members) decider.evolveMember(this.#row(id).member, event, id);
    if (event.seq > 0) remember(this.#row(event.playerId), event);
    this.version = event.version;
    this.lastAt = event.occurredAt;
  }

  /** For deciders and queries: a member without a row is as a new one. */
  row(id: string): MemberRow<Member> {
    return this.rows.get(id) ?? { id, lastSeq: 0, receipts: [], member: huntActor.decider.initialMember(id) };
  }

  ask(method: string, body: unknown, at: number): unknown {
    const query = huntActor.queries[method] as Query<Header, Member>;
    const context: QueryContext = { stream: { kind: 'hunt', id: this.hunt }, at: Math.max(at, this.lastAt) };
    if (query.kind === 'rows') {
      const outcome = query.run(body, this, context);
      return 'answer' in outcome ? outcome.answer : outcome.refusal;
    }
    const mapped = [...this.rows.values()]
      .map((row) => query.map(row, body))
      .filter((one): one is NonNullable<typeof one> => one !== undefined);
    const outcome = query.run(body, mapped, this, context);
    return 'answer' in outcome ? outcome.answer : outcome.refusal;
  }

  /** How the header differs from that one, if it does. */
  headerFault(header: Header): string | undefined {
    return difference(huntActor.header.pack(this.header), huntActor.header.pack(header));
  }

  rowFault(row: MemberRow<Member>): string | undefined {
    const mine = this.row(row.id);
    const asData = ({ lastSeq, receipts, member }: MemberRow<Member>): unknown => ({
      lastSeq,
      receipts: receiptsOf(receipts),
      member: huntActor.member.pack(member),
    });
    return difference(asData(mine), asData(row));
  }

  #row(id: string): MemberRow<Member> {
    let row = this.rows.get(id);
    if (row === undefined) {
      row = this.row(id);
      this.rows.set(id, row);
    }
    return row;
  }
}

/** Receipts stand in no order. */
function receiptsOf(flat: readonly number[]): number[][] {
  const receipts: number[][] = [];
  for (let i = 0; i < flat.length; i += 4) receipts.push(flat.slice(i, i + 4));
  return receipts.sort((a, b) => (a[0] as number) - (b[0] as number));
}

function difference(log: unknown, other: unknown): string | undefined {
  if (isDeepStrictEqual(log, other)) return undefined;
  return `the log gives ${JSON.stringify(log)}, here is ${JSON.stringify(other)}`.slice(0, 1_200);
}

/** Something to be compared with the state at a version. */
export interface Comparison {
  readonly version: number;
  /** In words, or nothing. */
  readonly look: (fold: Fold) => string | undefined;
}

/** Folds the history once and makes every comparison at its version. */
export function compareAll(hunt: number, events: readonly StoredEvent[], comparisons: readonly Comparison[]): string[] {
  const faults: string[] = [];
  const waiting = [...comparisons].sort((a, b) => a.version - b.version);
  const fold = new Fold(hunt);
  let next = 0;
  const lookAt = (version: number): void => {
    for (; waiting[next]?.version === version; next++) {
      const found = waiting[next]?.look(fold);
      if (found !== undefined) faults.push(`hunt ${hunt} at version ${version}: ${found}`);
    }
  };
  lookAt(0);
  for (const event of events) {
    fold.step(event);
    lookAt(event.version);
  }
  for (; next < waiting.length; next++)
    faults.push(`hunt ${hunt}: something is at version ${waiting[next]?.version}, the log ends at ${fold.version}`);
  return faults;
}
