/**
 * The way to the actors. Owns: the links, and every unanswered command and call. Does not own: the wait for an owner
 * ({@link WaitingWork}), the view (it asks {@link Placement}) and what commands mean.
 * Invariants: each command is answered once, within {@link answerMsMax}; a player's commands keep their order across
 * retries; a reply counts only from the node that owns the slot under the present view (an older owner may not know that
 * it was replaced); BUSY says "surely not sent", UNAVAILABLE "unknown" (I4 makes a resend with the same seq safe).
 */
import type { Duplex } from 'node:stream';
import { isErrorCode } from '../../proto/error-code.ts';
import type { CallReply } from '../../proto/generated/node/v1/link.ts';
import { type Slot, type StreamId, slotOf } from '../../proto/ids.ts';
import type { Clock } from '../../runtime/kernel/clock.ts';
import type { Random } from '../../runtime/kernel/random.ts';
import type { Timers } from '../../runtime/kernel/timer.ts';
import { NodeLink, nodeKey } from './node-link.ts';
import type { Envelope, Pending, PendingCall, PendingCommand } from './pending.ts';
import { inFlightMax, PlayerLane } from './player-lane.ts';
import { detailOf, nackIn, nackReply } from './reply.ts';
import type { CallOutcome, NodeAddress, Placement, Route } from './route.ts';
import { WaitingWork } from './waiting-work.ts';

/** A command or call is answered within this time, whatever happens. */
export const answerMsMax = 10_000;
/** Commands and calls without an answer in one gateway. */
export const pendingCommandsMax = 100_000;
/** Bytes of the commands and calls that wait for an owner. */
export const waitingBytesMax = 32 * 1024 * 1024;
const restMsMin = 15;
const restMsMax = 250;
/** A node's BUSY is "surely not done": a slot that is being taken, an actor that starts again. So long it is waited out. */
export const busyPatienceMs = 2_000;
const sweepMs = 100;

/** The actors' queries by kind: a second try of these changes nothing. */
export const reads: Readonly<Record<string, ReadonlySet<string>>> = {
  hunt: new Set(['access', 'views', 'show', 'board', 'scoreboard', 'export']),
  code: new Set(['get']),
  key: new Set(['get']),
};

export interface RouterParts {
  readonly placement: Placement;
  /** Opens a connection to {@link NodeAddress.addr}; emits `connect` or `close` later. */
  readonly connect: (addr: string) => Duplex;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  /** Of this gateway, in the hello. */
  readonly name: string;
  /** A node has seen a newer view than ours: read it. */
  readonly newerView?: (view: number) => void;
  /** Nobody listens where a node should: {@link Router.links} tells where. */
  readonly refused?: () => void;
}

/** What the gateway can tell of a node from its link alone. */
export interface LinkHealth {
  readonly id: string;
  readonly incarnation: number;
  readonly refused: boolean;
  /** Something waits for an answer on it, and for so long nothing was answered; 0: nothing waits. */
  readonly stalledMs: number;
  /** How many slots have something waiting, counted up to a few. */
  readonly slotsWaiting: number;
  /** How long ago the last answer came. */
  readonly answeredMs: number;
}

export class Router implements Route {
  readonly #links = new Map<string, NodeLink>();
  /** Unanswered, in the order of arrival, which is the order of deadlines. */
  readonly #pending = new Map<number, Pending>();
  readonly #lanes = new Map<string, PlayerLane>();
  readonly #waiting: WaitingWork;
  /** Nodes at whose address nobody listened at the last try. */
  readonly #refused = new Map<string, NodeAddress>();
  /** When a node that refused a connection may be tried again. */
  readonly #restUntil = new Map<string, { at: number; failures: number }>();
  #serial = 0;
  #sweep: (() => void) | undefined;
  #closed = false;
  readonly #unlisten: () => void;

  constructor(private readonly parts: RouterParts) {
    this.#waiting = new WaitingWork({
      clock: parts.clock,
      timers: parts.timers,
      jitter: (ms) => this.#jitter(ms),
      linkOf: (slot) => this.#linkOf(slot),
    });
    this.#unlisten = parts.placement.onChange(() => this.#viewChanged());
  }

  submit(huntId: number, playerId: string, seq: number, request: Uint8Array, done: (reply: Uint8Array) => void): void {
    const to = { huntId, playerId, seq };
    const key = `${huntId}/${playerId}`;
    let lane = this.#lanes.get(key);
    if (lane?.full) {
      done(
        nackReply(
          to,
          'BUSY',
          `At most ${inFlightMax} commands of a player are in flight in a hunt: wait for their answers.`,
          100,
        ),
      );
      return;
    }
    if (this.#closed || this.#full) {
      done(
        nackReply(
          to,
          'BUSY',
          'The gateway has as many commands under way as it may: send this one again.',
          this.#jitter(500),
        ),
      );
      return;
    }
    const slot = slotOf(huntId);
    const link = this.#waiting.has(slot) ? undefined : this.#linkOf(slot);
    if (link?.full) {
      done(
        nackReply(to, 'BUSY', 'The link to the owner of this hunt is full: send this one again.', this.#jitter(500)),
      );
      return;
    }
    if (lane === undefined) {
      lane = new PlayerLane(key);
      this.#lanes.set(key, lane);
    }
    const command: PendingCommand = {
      kind: 'command',
      serial: this.#serial++,
      slot,
      deadline: this.parts.clock.monotonic() + answerMsMax,
      where: 'waiting',
      unknown: false,
      huntId,
      playerId,
      seq,
      lane,
      done,
      envelope: { bytes: request, length: request.length },
      at: 0,
      length: request.length,
    };
    this.#pending.set(command.serial, command);
    lane.add(command);
    this.#watch();
    if (link !== undefined) link.submit(command);
    else {
      command.envelope = ownCopy(command);
      command.at = 0;
      this.#waiting.add(command);
    }
  }

  call(stream: StreamId, method: string, body: unknown): Promise<CallOutcome> {
    if (this.#closed || this.#full)
      return Promise.resolve({
        ok: false,
        code: 'BUSY',
        message: this.#closed
          ? 'The gateway is closing: send this again.'
          : 'The gateway has as much under way as it may: send this again.',
        retryMs: 1000,
      });
    return new Promise((resolve) => {
      const call: PendingCall = {
        kind: 'call',
        serial: this.#serial++,
        slot: slotOf(stream.id),
        deadline: this.parts.clock.monotonic() + answerMsMax,
        where: 'waiting',
        unknown: false,
        stream,
        method,
        payload: Buffer.from(JSON.stringify(body ?? {})),
        read: reads[stream.kind]?.has(method) === true,
        done: (reply) => resolve(outcomeOf(reply)),
      };
      this.#pending.set(call.serial, call);
      this.#watch();
      const link = this.#waiting.has(call.slot) ? undefined : this.#linkOf(call.slot);
      if (link !== undefined) link.call(call);
      else this.#waiting.add(call);
    });
  }

  links(): LinkHealth[] {
    const answering = [...this.#links.values()].filter((link) => !this.#refused.has(link.key));
    const open = answering.map(({ node, stalledMs, slotsWaiting, answeredMs }) => ({
      id: node.id,
      incarnation: node.incarnation,
      refused: false,
      stalledMs,
      slotsWaiting,
      answeredMs,
    }));
    const refused = [...this.#refused.values()].map(({ id, incarnation }) => ({
      id,
      incarnation,
      refused: true,
      stalledMs: 0,
      slotsWaiting: 0,
      answeredMs: Number.POSITIVE_INFINITY,
    }));
    return [...open, ...refused];
  }

  get #full(): boolean {
    return this.#pending.size >= pendingCommandsMax || this.#waiting.bytes >= waitingBytesMax;
  }

  /** Answers everything that is under way and ends the links. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#unlisten();
    this.#waiting.close();
    this.#sweep?.();
    const links = [...this.#links.values()];
    for (const link of links) link.end();
    for (const work of [...this.#pending.values()]) this.#giveUp(work);
  }

  // --- links -------------------------------------------------------------------------------------------------------

  /** The link to the slot's owner, opened if need be; undefined while there is no owner or it rests after a failure. */
  #linkOf(slot: Slot): NodeLink | undefined {
    const node = this.parts.placement.ownerOf(slot);
    if (node === undefined) return undefined;
    const key = nodeKey(node);
    const link = this.#links.get(key);
    if (link !== undefined) return link;
    const rest = this.#restUntil.get(key);
    if (rest !== undefined && rest.at > this.parts.clock.monotonic()) return undefined;
    const made = new NodeLink(
      node,
      this.parts.connect(node.addr),
      this.parts.name,
      () => this.parts.placement.view,
      this.parts.clock,
      this.parts.timers,
      {
        opened: (l) => {
          this.#restUntil.delete(l.key);
          this.#refused.delete(l.key);
        },
        lost: (l, work) => this.#lost(l, work),
        reply: (l, command, reply) => this.#reply(l, command, reply),
        called: (l, call, reply) => this.#called(l, call, reply),
        newerView: (view) => {
          if (view > this.parts.placement.view) this.parts.newerView?.(view);
        },
      },
    );
    this.#links.set(key, made);
    return made;
  }

  #lost(link: NodeLink, work: readonly Pending[]): void {
    this.#links.delete(link.key);
    if (link.refused) {
      this.#refused.set(link.key, link.node);
      this.parts.refused?.();
    }
    const failures = (this.#restUntil.get(link.key)?.failures ?? 0) + 1;
    const rest = Math.min(restMsMax, restMsMin * 2 ** Math.min(failures, 6));
    this.#restUntil.set(link.key, { failures, at: this.parts.clock.monotonic() + this.#jitter(rest) });
    if (this.#closed) return;
    for (const item of work) this.#again(item);
  }

  /** Back to the waiting ones after a link broke or a slot moved. */
  #again(work: Pending): void {
    if (work.where === 'done') return;
    if (work.where === 'sent') {
      work.unknown = true;
      // A command of the designer's has no seq: sent and unanswered, it must not be sent again by software.
      if (work.kind === 'call' && !work.read) {
        this.#giveUp(work);
        return;
      }
    }
    this.#waiting.add(work);
  }

  #viewChanged(): void {
    const placement = this.parts.placement;
    const moved: Pending[] = [];
    for (const link of [...this.#links.values()]) {
      const ours = (slot: Slot): boolean => {
        const owner = placement.ownerOf(slot);
        return owner !== undefined && nodeKey(owner) === link.key;
      };
      // A designer's command that was sent waits for its answer: it has no seq that would make a second try harmless.
      moved.push(
        ...link.withdraw(
          (work) => !ours(work.slot) && (work.where === 'boxed' || work.kind === 'command' || work.read),
        ),
      );
    }
    for (const work of moved) this.#again(work);
    const known = new Set<string>();
    for (let slot = 0; slot < 256; slot++) {
      const owner = placement.ownerOf(slot as Slot);
      if (owner !== undefined) known.add(nodeKey(owner));
    }
    for (const key of this.#restUntil.keys()) if (!known.has(key)) this.#restUntil.delete(key);
    for (const key of this.#refused.keys()) if (!known.has(key)) this.#refused.delete(key);
    for (const [key, link] of [...this.#links]) if (!known.has(key) && link.unanswered === 0) link.end();
    this.#waiting.tryNow();
  }

  // --- answers -----------------------------------------------------------------------------------------------------

  #ownedBy(link: NodeLink, slot: Slot): boolean {
    const owner = this.parts.placement.ownerOf(slot);
    return owner !== undefined && nodeKey(owner) === link.key;
  }

  #reply(link: NodeLink, command: PendingCommand, reply: Uint8Array): void {
    if (command.where === 'done') return;
    const nack = nackIn(reply);
    if (nack !== undefined && nack.version === 0) {
      const moving = this.#isMoving(nack.code, command);
      if (moving || !this.#ownedBy(link, command.slot) || command.lane.overtook(command)) {
        // Surely not done by this try; what an earlier one did stays unknown.
        this.#waiting.add(command);
        return;
      }
      if (command.unknown && nack.code === 'BUSY') {
        this.#giveUp(command);
        return;
      }
    }
    this.#settle(command);
    command.done(reply);
  }

  #called(link: NodeLink, call: PendingCall, reply: CallReply): void {
    if (call.where === 'done') return;
    const moving = this.#isMoving(reply.code, call);
    if (moving || (call.read && !this.#ownedBy(link, call.slot))) {
      this.#waiting.add(call);
      return;
    }
    this.#settle(call);
    call.done(reply);
  }

  /** Whether that refusal says no more than "not here" or "not now". */
  #isMoving(code: string, work: Pending): boolean {
    if (code === 'NOT_OWNER') return true;
    return code === 'BUSY' && this.parts.clock.monotonic() < work.deadline - answerMsMax + busyPatienceMs;
  }

  #settle(work: Pending): void {
    this.#waiting.leave(work);
    work.where = 'done';
    this.#pending.delete(work.serial);
    if (work.kind === 'command') {
      work.lane.remove(work);
      if (work.lane.empty) this.#lanes.delete(work.lane.key);
    }
    if (this.#pending.size === 0) {
      this.#sweep?.();
      this.#sweep = undefined;
    }
  }

  #giveUp(work: Pending): void {
    const unknown = work.unknown || work.where === 'sent';
    const code = unknown && (work.kind === 'command' || !work.read) ? 'UNAVAILABLE' : 'BUSY';
    const message =
      code === 'BUSY'
        ? 'No node serves this hunt at the moment; nothing was done: send the same again.'
        : 'No answer came in time; whether it was done is not known: send the same again, with the same seq.';
    const retryMs = this.#jitter(1000);
    this.#settle(work);
    if (work.kind === 'command') work.done(nackReply(work, code, message, retryMs));
    else work.done({ code, message, retryMs, version: 0, detailJson: '', body: Buffer.alloc(0) });
  }

  #watch(): void {
    this.#sweep ??= this.parts.timers.every(sweepMs, () => {
      const now = this.parts.clock.monotonic();
      const late: Pending[] = [];
      for (const work of this.#pending.values()) {
        if (work.deadline > now) break;
        late.push(work);
      }
      if (late.length === 0) return;
      // What is told "surely not sent" must not leave later with the frame that it lies in.
      for (const link of this.#links.values()) link.withdraw((work) => work.deadline <= now);
      for (const work of late) this.#giveUp(work);
    });
  }

  #jitter(ms: number): number {
    return Math.ceil(ms * (0.5 + this.parts.random.next() / 2));
  }
}

function ownCopy(command: PendingCommand): Envelope {
  const bytes = command.envelope.bytes.slice(command.at, command.at + command.length);
  return { bytes, length: bytes.length };
}

function outcomeOf(reply: CallReply): CallOutcome {
  if (reply.code !== '') {
    const code = isErrorCode(reply.code) ? (reply.code === 'NOT_OWNER' ? 'BUSY' : reply.code) : 'INTERNAL';
    const detail = detailOf(reply.detailJson);
    return {
      ok: false,
      code,
      message: reply.message,
      ...(reply.retryMs > 0 ? { retryMs: reply.retryMs } : {}),
      ...(detail === undefined ? {} : { detail }),
    };
  }
  try {
    const text = Buffer.from(reply.body).toString('utf8');
    return { ok: true, version: reply.version, body: text === '' ? undefined : JSON.parse(text) };
  } catch {
    return { ok: false, code: 'INTERNAL', message: 'The answer of the node could not be read.' };
  }
}
