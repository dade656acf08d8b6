/**
 * Judges a log by its records alone, in the order in which they lie in it (I2, I4).
 *
 * Owns: per stream the next version, the version vector and the seqs seen. Owns not: where the records come from.
 * Every stream is checked; `hunts`, `events` and `batches` count the streams of hunts only.
 */
import { Event } from '../../../proto/generated/hunt/v1/event.ts';
import { Envelope } from '../../../proto/generated/node/v1/record.ts';
import { type StreamId, streamKey } from '../../../proto/ids.ts';
import { splitRecord } from '../../../runtime/activation/record.ts';
import { type VectorEntry, VersionVector } from '../../../runtime/activation/vector.ts';
import type { LogRecord } from '../../../runtime/log/event-log.ts';
import { SeqRanges } from './seq-ranges.ts';

export type FaultKind = 'hole' | 'fork' | 'vector_break' | 'seq_duplicate' | 'undecodable';
export interface LogFault {
  /** The stream's number; 0 where a damaged place names none. */
  readonly hunt_id: number;
  readonly version: number;
  readonly kind: FaultKind;
  readonly detail: string;
}
export interface AuditReport {
  ok: boolean;
  hunts: number;
  events: number;
  batches: number;
  holes: number;
  forks: number;
  vector_breaks: number;
  seq_duplicates: number;
  undecodable: number;
  first_faults: LogFault[];
}

export const firstFaultsMax = 20;
const huntKind = 'hunt';
const counterOf = {
  hole: 'holes',
  fork: 'forks',
  vector_break: 'vector_breaks',
  seq_duplicate: 'seq_duplicates',
  undecodable: 'undecodable',
} as const;

interface StreamState {
  next: number;
  /** Undefined where the chain is broken: it starts again at the next vector. */
  vector: VersionVector | undefined;
  readonly seqs: Map<string, SeqRanges>;
}
/** The fields that the events of every kind share, and the outcome's name where it matters. */
interface Judged extends Envelope {
  readonly outcome?: string | undefined;
}

export class LogAudit {
  readonly #streams = new Map<string, StreamState>();
  readonly report: AuditReport = {
    ok: true,
    hunts: 0,
    events: 0,
    batches: 0,
    holes: 0,
    forks: 0,
    vector_breaks: 0,
    seq_duplicates: 0,
    undecodable: 0,
    first_faults: [],
  };

  record(record: LogRecord): void {
    const { stream, version, count } = record;
    const state = this.#stateOf(stream);
    const isHunt = stream.kind === huntKind;
    if (isHunt) {
      this.report.batches++;
      this.report.events += count;
    }
    if (version > state.next) {
      this.#fault(stream, state.next, 'hole', `versions ${state.next} to ${version - 1} are missing`);
      state.vector = undefined;
    } else if (version < state.next) {
      // A second history of the same versions; the first goes on to be judged.
      this.#fault(
        stream,
        version,
        'fork',
        `versions from ${version} on stand twice: the log had reached ${state.next - 1}`,
      );
      return;
    }
    state.next = version + count;
    const events = this.#decode(record, isHunt);
    if (events === undefined) {
      state.vector = undefined;
      return;
    }
    this.#judgeVectors(record, state, events.owner, events.events);
    if (isHunt) this.#judgeSeqs(stream, state, events.events);
  }

  /** A place of the log that cannot be read at all. */
  unreadable(stream: StreamId | undefined, version: number, detail: string): void {
    this.#fault(stream, version, 'undecodable', detail);
    if (stream === undefined) return;
    this.#stateOf(stream).vector = undefined;
  }

  /** Log and archive do not agree on this record, or one lacks what it should have. */
  disagreement({ stream, version }: LogRecord, kind: 'fork' | 'hole', detail: string): void {
    this.#fault(stream, version, kind, detail);
  }

  /** Takes over what another audit, of other streams, has counted. */
  add(other: AuditReport): void {
    for (const key of [
      'hunts',
      'events',
      'batches',
      'holes',
      'forks',
      'vector_breaks',
      'seq_duplicates',
      'undecodable',
    ] as const)
      this.report[key] += other[key];
    this.report.ok &&= other.ok;
    this.report.first_faults = [...this.report.first_faults, ...other.first_faults].slice(0, firstFaultsMax);
  }

  #stateOf(stream: StreamId): StreamState {
    const key = streamKey(stream);
    let state = this.#streams.get(key);
    if (state === undefined) {
      state = { next: 1, vector: new VersionVector(), seqs: new Map() };
      this.#streams.set(key, state);
      if (stream.kind === huntKind) this.report.hunts++;
    }
    return state;
  }

  #decode(
    { stream, version, count, bytes }: LogRecord,
    isHunt: boolean,
  ): { owner: string; events: Judged[] } | undefined {
    try {
      const { events, owner } = splitRecord(bytes);
      if (events.length !== count) throw new Error(`${events.length} events where the log counts ${count}`);
      const decoded = events.map((event, i): Judged => {
        const judged = isHunt ? huntEvent(event) : Envelope.decode(event);
        if (judged.actorId !== stream.id || judged.version !== version + i)
          throw new Error(`it says that it is event ${judged.version} of ${judged.actorId}`);
        return judged;
      });
      return { owner, events: decoded };
    } catch (error) {
      this.#fault(stream, version, 'undecodable', (error as Error).message);
      return undefined;
    }
  }

  #judgeVectors({ stream, version }: LogRecord, state: StreamState, owner: string, events: readonly Judged[]): void {
    const first = events[0]?.vector ?? [];
    const vector = new VersionVector(first);
    const expected = state.vector;
    expected?.raise(owner);
    if (vector.sum() !== version)
      this.#fault(stream, version, 'vector_break', `the counts of ${show(first)} sum to ${vector.sum()}`);
    else if (expected !== undefined && show(expected.entries()) !== show(first))
      this.#fault(stream, version, 'vector_break', `${show(first)} where ${show(expected.entries())} follows`);
    for (const event of events.slice(1)) {
      vector.raise(owner);
      // Stored once a record; a later event that bears one all the same must agree.
      if (event.vector.length > 0 && show(event.vector) !== show(vector.entries()))
        this.#fault(
          stream,
          event.version,
          'vector_break',
          `${show(event.vector)} where ${show(vector.entries())} follows`,
        );
    }
    state.vector = vector;
  }

  /** The events of one command stand together, each outcome once; a seq that comes up again had a second effect (I4). */
  #judgeSeqs(stream: StreamId, state: StreamState, events: readonly Judged[]): void {
    let player = '';
    let seq = 0;
    let outcomes = new Set<string>();
    for (const event of events) {
      const { seq: own, playerId, version, outcome = '' } = event;
      const goesOn = own === seq && playerId === player && own !== 0;
      if (goesOn && !outcomes.has(outcome)) {
        outcomes.add(outcome);
        continue;
      }
      [player, seq, outcomes] = [playerId, own, new Set([outcome])];
      if (own === 0) continue;
      const seqs = state.seqs.get(playerId) ?? new SeqRanges();
      state.seqs.set(playerId, seqs);
      if (!seqs.add(own))
        this.#fault(stream, version, 'seq_duplicate', `seq ${own} of ${playerId} has a second effect (${outcome})`);
    }
  }

  #fault(stream: StreamId | undefined, version: number, kind: FaultKind, detail: string): void {
    this.report.ok = false;
    this.report[counterOf[kind]]++;
    if (this.report.first_faults.length >= firstFaultsMax) return;
    const where = stream === undefined || stream.kind === huntKind ? detail : `${streamKey(stream)}: ${detail}`;
    this.report.first_faults.push({ hunt_id: stream?.id ?? 0, version, kind, detail: where });
  }
}

function huntEvent(bytes: Uint8Array): Judged {
  const event = Event.decode(bytes);
  if (event.outcome === undefined) throw new Error('an event of a type that this release does not know');
  const { huntId, version, playerId, seq, occurredAt, vector, fingerprint } = event;
  return { actorId: huntId, version, playerId, seq, occurredAt, vector, fingerprint, outcome: event.outcome.$case };
}

const show = (entries: readonly VectorEntry[]): string =>
  `{${entries.map(({ node, count }) => `${node}: ${count}`).join(', ')}}`;
