import assert from 'node:assert/strict';
import type { ErrorCode } from '../proto/error-code.ts';
import type { ActorEvent, Command, Reply, Row, State } from '../runtime/decider.ts';
import type { ActorKind, ScanQuery } from '../runtime/define-actor.ts';

/**
 * Given / when / then for deciders: one actor played in memory as the runtime plays it (alarm first, decide, number the
 * events, write and read them, fold header and rows apart), without log, pages or network.
 */
export class ActorSpec<H, M, A, E extends ActorEvent> {
  readonly events: E[] = [];
  at: number;
  header: H;
  readonly rows = new Map<string, Row<M> & { lastSeq: number }>();

  constructor(
    readonly kind: ActorKind<H, M, A, E>,
    readonly id: number,
    at = Date.UTC(2026, 0, 1),
  ) {
    this.at = at;
    this.header = kind.decider.initialHeader(id);
  }

  get version(): number {
    return this.events.length;
  }

  /** The state as a command sees it that asked for those rows. */
  state(rows: ReadonlySet<string> = new Set(this.rows.keys())): State<H, M> {
    const { header, version } = this;
    return {
      header,
      version,
      row: (id) =>
        rows.has(id)
          ? (this.rows.get(id) ?? { id, lastSeq: 0, member: this.kind.decider.initialMember(id) })
          : undefined,
    };
  }

  private load(ask: (state: State<H, M>) => readonly string[]): State<H, M> {
    const rows = new Set<string>();
    for (let round = 0; ; round++) {
      const wanted = ask(this.state(rows));
      if (wanted.length === 0) return this.state(rows);
      assert.ok(round < 8 && wanted.some((id) => !rows.has(id)), `needs never ends: ${wanted.join()}`);
      for (const id of wanted) rows.add(id);
    }
  }

  wake(): void {
    const { decider } = this.kind;
    for (
      let due = decider.alarm(this.header);
      decider.wake !== undefined && due !== undefined && due <= this.at;
      due = decider.alarm(this.header)
    ) {
      const before = this.version;
      this.decide({ player: '@system', seq: 0, fingerprint: 0, at: this.at, action: decider.wake });
      assert.ok(this.version > before, 'an alarm that is due must do something, or it would ring for ever');
    }
  }

  when(command: Omit<Command<A>, 'at'>): Played<E> {
    this.wake();
    return this.decide({ ...command, at: this.at });
  }

  private decide(command: Command<A>): Played<E> {
    const { decider, events: codec } = this.kind;
    const referenced = (version: number): E | undefined => this.events[version - 1];
    const state = this.load((held) => decider.needs(command, held, referenced));
    const decision = decider.decide(command, state, referenced);
    if (decision.kind === 'refused') return { code: decision.refusal.code, refusal: decision.refusal, events: [] };
    if (decision.kind === 'nothing') return { events: [] };
    if (decision.kind === 'repeat') {
      const again = this.events.slice(decision.version - decision.events, decision.version);
      return { reply: decider.reply(again, state), events: again, version: decision.version };
    }
    assert.ok(decision.events.length > 0, 'a decision of no events');
    const made = decision.events.map((event, i) =>
      codec.decode(codec.encode({ ...event, version: this.version + 1 + i })),
    );
    for (const event of made) this.fold(event);
    const reply = decider.reply(
      made,
      this.load((held) => decider.needs({ ...command }, held, referenced)),
    );
    return {
      reply,
      events: made,
      version: this.version,
      ...(reply.kind === 'nack' ? { code: reply.refusal.code, refusal: reply.refusal } : {}),
    };
  }

  private fold(event: E): void {
    const { decider } = this.kind;
    this.events.push(event);
    decider.evolveHeader(this.header, event);
    for (const id of decider.membersOf(event)) decider.evolveMember(this.rowFor(id).member, event, id);
    if (event.seq > 0) {
      const row = this.rowFor(event.playerId);
      row.lastSeq = Math.max(row.lastSeq, event.seq);
    }
  }

  private rowFor(id: string): Row<M> & { lastSeq: number } {
    let row = this.rows.get(id);
    if (row === undefined) {
      row = { id, lastSeq: 0, member: this.kind.decider.initialMember(id) };
      this.rows.set(id, row);
    }
    return row;
  }

  /** A designer's verb, parsed from its body as the runtime does. */
  command(name: string, body: unknown): Played<E> {
    const parsed = this.kind.commands[name]!(body);
    if ('refusal' in parsed) return { code: parsed.refusal.code, refusal: parsed.refusal, events: [] };
    return this.when({
      player: parsed.player ?? '@admin',
      seq: 0,
      fingerprint: 0,
      action: parsed.action,
      ...(parsed.by === undefined ? {} : { by: parsed.by }),
    });
  }

  query(name: string, body: unknown = {}): unknown {
    const query = this.kind.queries[name]!;
    const context = { stream: { kind: this.kind.kind, id: this.id }, at: this.at };
    const result =
      query.kind === 'rows'
        ? query.run(
            body,
            this.load((held) => query.needs(body, held)),
            context,
          )
        : scan(query, body, this.rows.values(), this.state(), context);
    return 'refusal' in result ? result.refusal : result.answer;
  }

  /** Header and rows folded anew from the events' bytes: the header from all, each row from those that name it, none from the other. */
  replayed(): { header: unknown; rows: Record<string, unknown> } {
    const { decider, events: codec, header, member } = this.kind;
    const again = decider.initialHeader(this.id);
    const rows = new Map<string, M>();
    for (const event of this.events) decider.evolveHeader(again, codec.decode(codec.encode(event)));
    for (const event of this.events) {
      for (const id of decider.membersOf(event)) {
        const row = rows.get(id) ?? decider.initialMember(id);
        rows.set(id, row);
        decider.evolveMember(row, codec.decode(codec.encode(event)), id);
      }
    }
    return {
      header: header.pack(again),
      rows: Object.fromEntries([...rows].map(([id, row]) => [id, member.pack(row)])),
    };
  }

  packed(): { header: unknown; rows: Record<string, unknown> } {
    const { header, member, decider } = this.kind;
    const touched = new Set(this.events.flatMap((event) => decider.membersOf(event)));
    return {
      header: header.pack(this.header),
      rows: Object.fromEntries(
        [...this.rows].filter(([id]) => touched.has(id)).map(([id, row]) => [id, member.pack(row.member)]),
      ),
    };
  }
}

function scan<H, M, T>(
  query: ScanQuery<H, M, T>,
  body: unknown,
  rows: Iterable<Row<M>>,
  state: State<H, M>,
  context: Parameters<ScanQuery<H, M, T>['run']>[3],
) {
  const mapped = [...rows].flatMap((row) => query.map(row, body) ?? []);
  return query.run(body, mapped, state, context);
}

export interface Played<E> {
  readonly code?: ErrorCode;
  readonly refusal?: {
    readonly code: ErrorCode;
    readonly message: string;
    readonly retryMs?: number;
    readonly detail?: Readonly<Record<string, unknown>>;
  };
  readonly reply?: Reply;
  readonly events: readonly E[];
  readonly version?: number;
}
