import { systemPlayer } from '../../proto/ids.ts';
import type { Activation } from '../activation/activation.ts';
import { encodeRecord } from '../activation/record.ts';
import type { ActorEvent, Command, Decision, Refusal } from '../decider.ts';
import type { RowsQuery } from '../define-actor.ts';
import type { Take } from './mailbox.ts';
import type { Answer } from './output-gate.ts';
import type { CommandRequest, ReadRequest, Request } from './request.ts';

/** Alarms that are run at the start of one turn; more wait for the next. */
const wakesMax = 64;
/** A wake that found nothing to do although its alarm was due is not run again for so long. */
const idleWakeMs = 1_000;

/**
 * One turn: the due alarm first, then the waiting commands in order, decided one at a time on the speculative state, and
 * what they brought about appended as one record.
 *
 * The record ends at half the allowed bytes, so that the last decision still finds room.
 */
export function runTurn<H, M, A, E extends ActorEvent>(actor: Activation<H, M, A, E>): void {
  const turn = new Turn(actor);
  if (turn.wake()) {
    const { waiting } = actor.node;
    actor.mailbox.offer((request) => {
      if (turn.isFull) return 'stop';
      const take = turn.take(request);
      if (take === 'taken') waiting.remove(request.bytes);
      return take;
    });
  }
  turn.close();
}

class Turn<H, M, A, E extends ActorEvent> {
  readonly #at: number;
  readonly #base: number;
  readonly #events: Uint8Array[] = [];
  readonly #answers: Answer[] = [];
  /** Of the answers, those that observed nothing of this turn. */
  #early = 0;
  #bytes = 0;
  #commands = 0;
  #isFaulted = false;
  /** Of the last event that is in the record: what the answers observed. */
  #version: number;

  constructor(readonly actor: Activation<H, M, A, E>) {
    const { state, node } = actor;
    this.#at = Math.max(node.clock.now(), state.lastAt);
    this.#base = state.version;
    this.#version = state.version;
  }

  get isFull(): boolean {
    const { limits } = this.actor;
    return this.#isFaulted || this.#commands >= limits.turnCommandsMax || this.#bytes * 2 >= limits.recordBytesMax;
  }

  /** Runs the due alarms, so that what was to happen before a command stands in the log before it. False: they wait for a page. */
  wake(): boolean {
    const { actor } = this;
    const { decider } = actor.kind;
    if (decider.wake === undefined) return true;
    try {
      for (let wakes = 0; wakes < wakesMax; wakes++) {
        const due = decider.alarm(actor.state.header);
        if (due === undefined || due > this.#at) return true;
        if (actor.idleWake.version === actor.state.version && this.#at < actor.idleWake.until) return true;
        const command: Command<A> = {
          player: systemPlayer,
          seq: 0,
          fingerprint: 0,
          at: this.#at,
          action: decider.wake,
        };
        if (!actor.state.members.allResident) {
          const needed = decider.needs(command, actor.state, (version) => actor.heldEvent(version));
          if (!actor.wantForWake(needed)) return false;
        }
        const decision = decider.decide(command, actor.state, (version) => actor.heldEvent(version));
        if (decision.kind !== 'events' || decision.events.length === 0) {
          actor.idleWake = { version: actor.state.version, until: this.#at + idleWakeMs };
          actor.slot.alarm(actor.stream, this.#at + idleWakeMs);
          return true;
        }
        this.#fold(command, decision.events);
        actor.node.metrics.observe('hunt_alarm_delay_seconds', Math.max(0, this.#at - due) / 1_000);
      }
    } catch (error) {
      this.#isFaulted = true;
      actor.fault(error, actor.node.random.token(6));
    }
    return !this.#isFaulted;
  }

  take(request: Request<A, E>): Take {
    try {
      return request.kind === 'read' ? this.#read(request) : this.#command(request);
    } catch (error) {
      const instance = this.actor.node.random.token(6);
      request.refuse({ code: 'INTERNAL', message: `a fault of ours, reported as ${instance}` });
      request.effect = false;
      this.#answers.push(request);
      if (request.kind === 'read') this.actor.node.report(instance, this.actor.stream, error);
      else {
        this.#isFaulted = true;
        this.actor.fault(error, instance);
      }
      return 'taken';
    }
  }

  /** Appends what was decided, and hands the answers to the gate. */
  close(): void {
    const { actor } = this;
    const count = this.#version - this.#base;
    if (count > 0) {
      // Whatever becomes of this turn's record is nothing to those that came before its first event.
      actor.answer(this.#answers.splice(0, this.#early), this.#base);
      const record = encodeRecord(this.#events, actor.slot.epoch, actor.node.nodeKey);
      actor.append(this.#base + 1, count, record);
    }
    actor.answer(this.#answers, this.#version);
    if (count > 0 && !this.#isFaulted) actor.armAlarm();
    if (this.isFull && !this.#isFaulted) actor.node.ready(actor);
  }

  #command(request: CommandRequest<A, E>): Take {
    const { actor } = this;
    const { state, kind } = actor;
    const { decider } = kind;
    request.at = this.#at;
    if (state.version === 0 && kind.mustExist && !(request.kind === 'named' && request.creates))
      return this.#refuse(request, notFound(actor));
    const isEverythingHere = state.members.allResident;
    // I4: whether it was done already comes before every other question.
    let repeated: { readonly version: number; readonly events: number } | undefined;
    if (request.seq > 0) {
      const verdict = state.members.receipt(request.player, request.seq, request.fingerprint);
      if (verdict === undefined) return this.#held(request, [request.player]);
      if (verdict.kind === 'duplicate') repeated = verdict;
      else if (verdict.kind !== 'fresh')
        return this.#refuse(request, seqRefusal(verdict.kind, request.seq, state.row(request.player)?.lastSeq ?? 0));
    }
    const references = decider.references?.(request) ?? [];
    if (references.length > 0 && !this.#have(request, references)) return 'held';
    const referenced = (version: number): E | undefined => this.#lookUp(request, version);
    if (!isEverythingHere) {
      const needed = decider.needs(request, state, referenced);
      if (needed.length > 0 && actor.want(request, needed)) return 'held';
    }
    if (repeated !== undefined) return this.#repeat(request, repeated);
    const decision: Decision<E> = decider.decide(request, state, referenced);
    this.#commands++;
    switch (decision.kind) {
      case 'events':
        if (decision.events.length === 0) throw new Error('a decision of no events');
        this.#done(request, decision.events);
        return 'taken';
      case 'refused':
        return this.#refuse(request, decision.refusal);
      case 'repeat':
        return this.#repeat(request, decision);
      case 'nothing':
        return this.#refuse(request, { code: 'ALREADY_DONE', message: 'there is nothing to do: it is so already' });
      default:
        return decision satisfies never;
    }
  }

  #done(request: CommandRequest<A, E>, events: readonly E[]): void {
    const { state, kind } = this.actor;
    this.#fold(request, events);
    request.effect = true;
    const reply = kind.decider.reply(events, state);
    if (reply.kind === 'ack') request.ack(state.version, events.length, false, reply.result);
    else request.refuse(reply.refusal, state.version);
    this.#answers.push(request);
  }

  /** Fills in what only the runtime knows, encodes, folds. The record takes the events only when all of that went well. */
  #fold(command: Command<A>, events: readonly E[]): void {
    const { state, kind, node } = this.actor;
    const encoded: Uint8Array[] = [];
    let version = state.version;
    for (const event of events) {
      event.version = ++version;
      event.occurredAt = this.#at;
      event.seq = command.seq;
      event.fingerprint = command.fingerprint >>> 0;
      if (event.playerId === '') event.playerId = command.player;
      else if (command.seq > 0 && event.playerId !== command.player)
        throw new Error(`an event of ${command.player}'s command names ${event.playerId} as its player`);
      state.vector.raise(node.nodeKey);
      event.vector = version === this.#base + 1 ? state.vector.entries() : [];
      const bytes = kind.events.encode(event);
      encoded.push(bytes);
    }
    for (const event of events) {
      state.evolve(event);
      for (const scan of this.actor.scans) scan.touched(state.members.touchedBy(event));
    }
    if (this.#events.length === 0) this.#early = this.#answers.length;
    for (const bytes of encoded) {
      this.#events.push(bytes);
      this.#bytes += bytes.byteLength;
    }
    this.#version = version;
  }

  /** The same command again: the first outcome, with a newer state around it. */
  #repeat(request: CommandRequest<A, E>, first: { readonly version: number; readonly events: number }): Take {
    const { state, kind } = this.actor;
    const versions: number[] = [];
    for (let version = first.version - first.events + 1; version <= first.version; version++) versions.push(version);
    if (!this.#have(request, versions)) return 'held';
    const events: E[] = [];
    for (const version of versions) {
      const event = this.#lookUp(request, version);
      if (event === undefined)
        return this.#refuse(request, {
          code: 'UNAVAILABLE',
          message: 'this was done before, but its outcome cannot be read at present: send it again',
          retryMs: 1_000,
        });
      events.push(event);
    }
    const reply = kind.decider.reply(events, state);
    if (reply.kind === 'ack') request.ack(first.version, first.events, true, reply.result);
    else request.refuse(reply.refusal, first.version);
    this.#answers.push(request);
    return 'taken';
  }

  #refuse(request: Request<A, E>, refusal: Refusal): Take {
    request.refuse(refusal);
    this.#answers.push(request);
    return 'taken';
  }

  #held(request: CommandRequest<A, E>, memberIds: readonly string[]): Take {
    this.actor.want(request, memberIds);
    return 'held';
  }

  /** Whether all those events are at hand (or known not to be); if not, they are asked for. */
  #have(request: CommandRequest<A, E>, versions: readonly number[]): boolean {
    const { actor } = this;
    const missing = versions.filter(
      (version) =>
        version >= 1 &&
        version <= this.#version &&
        request.found?.has(version) !== true &&
        this.#inMemory(version) === undefined,
    );
    if (missing.length === 0) return true;
    if (request.found !== undefined && missing.every((version) => version <= request.triedUpTo)) return true;
    request.triedUpTo = Math.max(...missing);
    actor.fetch(request, missing);
    return false;
  }

  #lookUp(request: CommandRequest<A, E>, version: number): E | undefined {
    if (version < 1 || version > this.#version) return undefined;
    return request.found?.get(version) ?? this.#inMemory(version);
  }

  #inMemory(version: number): E | undefined {
    const own = version > this.#base ? this.#events[version - this.#base - 1] : undefined;
    return own === undefined ? this.actor.heldEvent(version) : this.actor.kind.events.decode(own);
  }

  #read(request: ReadRequest<E>): Take {
    const { actor } = this;
    const { state, kind, stream } = actor;
    this.#commands++;
    if (state.version === 0 && kind.mustExist) return this.#refuse(request, notFound(actor));
    if (request.query.kind === 'scan') {
      actor.scan(request);
      return 'taken';
    }
    const query: RowsQuery<H, M> = request.query;
    const version = query.atVersion?.(request.body);
    if (version !== undefined) {
      if (!Number.isInteger(version) || version < 1 || version > state.version) {
        return this.#refuse(request, {
          code: 'NOT_FOUND',
          message: `there is no version ${version}: 1 to ${state.version} are there`,
        });
      }
      actor.lookBack(request, version);
      return 'taken';
    }
    if (!state.members.allResident) {
      const needed = query.needs(request.body, state);
      if (needed.length > 0 && actor.want(request, needed)) return 'held';
    }
    const outcome = query.run(request.body, state, { stream, at: this.#at });
    if ('refusal' in outcome) return this.#refuse(request, outcome.refusal);
    request.ack(state.version, outcome.answer);
    this.#answers.push(request);
    return 'taken';
  }
}

const notFound = (actor: { readonly stream: { readonly kind: string; readonly id: number } }): Refusal => ({
  code: 'HUNT_NOT_FOUND',
  message: `there is no ${actor.stream.kind} ${actor.stream.id}`,
});

function seqRefusal(kind: 'stale' | 'conflict', seq: number, lastSeq: number): Refusal {
  const detail = { last_seq: lastSeq };
  if (kind === 'stale')
    return {
      code: 'SEQ_STALE',
      message: `seq ${seq} is too old: the last is ${lastSeq}, and 16 are remembered; take a higher one`,
      detail,
    };
  return { code: 'SEQ_CONFLICT', message: `seq ${seq} was another action: take one above ${lastSeq}`, detail };
}
