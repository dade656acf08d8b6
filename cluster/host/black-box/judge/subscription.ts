/**
 * Judges one subscription, over any number of sockets (I6; PROTOCOL.md): snap or reset first, every `ev` begins at the
 * cursor, versions contiguous in `all` and rising in `own`, `live` never runs ahead of what was delivered in `all`.
 * Owns the cursor and what was delivered; sends nothing.
 */
import type { FullEvent, Mode, PublicEvent, ServerMessage } from '../wire.ts';
import { type Fault, fault } from './fault.ts';

const eventsMax = 256;
const privateFields = ['private', 'vector', 'fingerprint', 'by'];
const reasons = new Set(['ahead', 'too_far', 'trimmed', 'lineage', 'definition', 'audience']);
/** After these the snapshot may lie behind what was held. */
const mayFall = new Set(['ahead', 'lineage']);

type Phase =
  | { readonly kind: 'off' }
  | { readonly kind: 'snap due'; readonly version?: number; readonly mayFall: boolean }
  /** After a resume only `live` tells the mode: until then what `all` would forbid is a suspicion. */
  | { readonly kind: 'replay'; readonly suspicions: Fault[] | undefined }
  | { readonly kind: 'live' };

export class SubscriptionJudge {
  readonly faults: Fault[] = [];
  readonly events: PublicEvent[] = [];
  readonly resets: string[] = [];
  /** The last version held, undefined before the first snapshot. */
  cursor: number | undefined;
  lineage: string | undefined;
  /** The version from which on deliveries are without gap: the last snapshot's. */
  base = 0;
  #phase: Phase = { kind: 'off' };

  constructor(public mode: Mode) {}

  get isLive(): boolean {
    return this.#phase.kind === 'live';
  }

  /** Call when a `sub` is sent. `from` = resume. */
  subscribed(from: number | undefined): void {
    if (from === undefined) this.#phase = { kind: 'snap due', mayFall: true };
    else {
      this.cursor = from;
      this.#phase = { kind: 'replay', suspicions: [] };
    }
  }

  /** Call when the socket is lost or an `unsub` was answered. */
  ended(): void {
    this.#phase = { kind: 'off' };
  }

  /** Feed every message of this hunt, in order. */
  hear(message: ServerMessage): void {
    switch (message.t) {
      case 'reset':
        if (!reasons.has(message.reason)) this.#blame('reset', `reason ${message.reason}`, message.version);
        this.resets.push(message.reason);
        this.#phase = { kind: 'snap due', version: message.version, mayFall: mayFall.has(message.reason) };
        return;
      case 'snap': {
        const phase = this.#phase;
        if (phase.kind !== 'snap due') this.#blame('snap', `unasked, in phase ${phase.kind}`, message.version);
        else {
          if (phase.version !== undefined && phase.version !== message.version)
            this.#blame('snap', `the reset said version ${phase.version}`, message.version);
          if (!phase.mayFall && message.version < (this.cursor ?? 0))
            this.#blame('snap', `behind what was held, ${this.cursor}`, message.version);
        }
        this.cursor = this.base = message.version;
        this.mode = message.mode;
        this.lineage = message.lineage;
        this.#phase = { kind: 'replay', suspicions: undefined };
        return;
      }
      case 'ev':
        if (this.#phase.kind === 'off' || this.#phase.kind === 'snap due')
          this.#blame('ev', `in phase ${this.#phase.kind}`, message.upto);
        else this.#frame(message.after, message.upto, message.events);
        return;
      case 'live':
        if (this.#phase.kind === 'off' || this.#phase.kind === 'snap due')
          this.#blame('live', `in phase ${this.#phase.kind}`, message.version);
        if (this.#phase.kind === 'replay' && message.mode === 'all')
          this.faults.push(...(this.#phase.suspicions ?? []));
        if (message.mode !== this.mode && this.#phase.kind === 'live')
          this.#blame('live', `mode became ${message.mode} without a reset`, message.version);
        this.mode = message.mode;
        this.lineage = message.lineage;
        if (message.mode === 'all' && message.version !== this.cursor)
          this.#blame('live', `the cursor is ${this.cursor}`, message.version);
        if (message.version < (this.cursor ?? 0))
          this.#blame('live', `behind the cursor ${this.cursor}`, message.version);
        this.cursor = Math.max(this.cursor ?? 0, message.version);
        this.#phase = { kind: 'live' };
        return;
      default:
    }
  }

  #frame(after: number, upto: number, events: readonly PublicEvent[]): void {
    if (after !== this.cursor)
      this.#blame(
        after > (this.cursor ?? 0) ? 'gap' : 'repeat',
        `the cursor is ${this.cursor}, the frame covers (${after}, ${upto}]`,
        after,
      );
    if (upto < after || events.length > eventsMax)
      this.#blame('ev', `${events.length} events over (${after}, ${upto}]`, upto);
    let last = after;
    for (const event of events) {
      // `by` is the designer's name, but for StageCompleted, where it says how.
      const leaked = privateFields.find(
        (field) => event[field] !== undefined && !(field === 'by' && event.type === 'StageCompleted'),
      );
      if (leaked !== undefined) this.#blame('private', `${leaked} on the wire`, event.version);
      const what = `${event.version} after ${last} in (${after}, ${upto}]`;
      if (event.version > upto || event.version <= last) this.#blame('gap', what, event.version);
      else if (event.version !== last + 1) this.#gapInAll(what, event.version);
      last = event.version;
      this.events.push(event);
    }
    if (last !== upto) this.#gapInAll(`upto ${upto}, but events end at ${last}`, upto);
    this.cursor = upto;
  }

  /** Where all were promised nothing may be left out. */
  #gapInAll(detail: string, version: number): void {
    const suspicions = this.#phase.kind === 'replay' ? this.#phase.suspicions : undefined;
    if (suspicions !== undefined) suspicions.push(fault('gap', detail, version));
    else if (this.mode === 'all') this.#blame('gap', detail, version);
  }

  #blame(kind: string, detail: string, version: number): void {
    this.faults.push(fault(kind, detail, version));
  }
}

/** What the socket may show of an event that the designer's API shows whole. */
export function publicPart(event: FullEvent): PublicEvent {
  const { private: _private, vector: _vector, by, ...rest } = event;
  return event.type === 'StageCompleted' && by !== undefined ? { ...rest, by } : rest;
}

const sorted = (value: unknown): string =>
  JSON.stringify(value, (_key, inner: unknown) =>
    inner !== null && typeof inner === 'object' && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );

/**
 * What was delivered against the log: nothing that is not there, nothing other than there, and between the snapshot and the
 * cursor nothing omitted that `audience` says was this subscription's.
 */
export function judgeDelivery(
  judge: SubscriptionJudge,
  history: readonly FullEvent[],
  audience: (event: FullEvent) => boolean = () => true,
): Fault[] {
  const faults: Fault[] = [];
  const delivered = new Map<number, PublicEvent>();
  for (const event of judge.events) {
    const logged = history[event.version - 1];
    if (delivered.has(event.version)) faults.push(fault('repeat', 'delivered twice', event.version));
    delivered.set(event.version, event);
    if (logged === undefined)
      faults.push(fault('not in the log', `${event.type} of ${event.player} was delivered`, event.version));
    else if (sorted(publicPart(logged)) !== sorted(event))
      faults.push(fault('differs', `socket ${sorted(event)}, log ${sorted(publicPart(logged))}`, event.version));
    else if (!audience(logged))
      faults.push(fault('audience', `${event.type} of ${event.player} was delivered to somebody else`, event.version));
  }
  for (const logged of history) {
    if (
      logged.version > judge.base &&
      logged.version <= (judge.cursor ?? 0) &&
      audience(logged) &&
      !delivered.has(logged.version)
    ) {
      faults.push(fault('omitted', `${logged.type} of ${logged.player}`, logged.version));
    }
  }
  return faults;
}
