/**
 * A player as the contract asks for one, and a little worse: it reconnects, resumes, resends what is unanswered with the same
 * seq; it also resends what was answered, plays on two devices at once, and now and then gives up or asks for something else
 * under a seq that is taken. Owns the player's commands; each device owns its line and its subscription.
 */
import { noted } from '../host/black-box/judge/effects.ts';
import type { Ack, Action, Nack, ServerMessage } from '../host/black-box/wire.ts';
import { Device } from './device.ts';
import type { Footing } from './footing.ts';
import type { Commanded, Conflicting, History } from './history.ts';
import { drawAction, type SimHunt } from './hunts.ts';
import { retryWaitMs } from './retry-wait.ts';
import type { Seeded } from './seeded.ts';

export interface PlayerParts {
  readonly footing: Footing;
  readonly history: History;
  readonly chance: Seeded;
  readonly gateways: readonly string[];
  readonly hunt: number;
  readonly rules: SimHunt;
  readonly name: string;
  readonly paceMs: number;
  readonly inFlightMax: number;
  readonly devices: number;
  readonly mode: 'all' | 'own';
  /** The teams that this player's hunt has heard of; by id. */
  readonly teams: string[];
}

interface Open {
  readonly command: Commanded;
  /** Sendings without an answer. */
  pending: number;
  /** Retryable ones; each makes the wait for the next try longer. */
  refusals: number;
  cancel: () => void;
}

const seqWindow = 16;
const resendAfterMs = 5_000;

export class SimPlayer {
  readonly #open = new Map<number, Open>();
  readonly #commands = new Map<number, Commanded>();
  readonly #conflicts = new Map<number, Conflicting>();
  /** Seqs that were sent again although answered. */
  readonly #repeated = new Set<number>();
  readonly devices: Device[];
  #seq = 0;
  #isPlaying = true;
  /** The last final refusal, as far as it says what to do about it. */
  #mustJoin = false;

  constructor(readonly parts: PlayerParts) {
    const { chance, paceMs, footing } = parts;
    this.devices = Array.from({ length: parts.devices }, (_, i) => this.#device(i));
    this.#act({ type: 'join', name: parts.name });
    if (parts.rules.entry === 'team') this.#act({ type: 'create_team', name: `Team of ${parts.name}` });
    const play = (): void => {
      if (this.#isPlaying) this.#play();
      footing.timers.after(chance.wait(paceMs), play);
    };
    footing.timers.after(chance.wait(paceMs), play);
  }

  get unanswered(): readonly Commanded[] {
    return [...this.#open.values()].map(({ command }) => command);
  }
  get name(): string {
    return this.parts.name;
  }

  /** No new commands; what is unanswered goes on being sent. */
  rest(): void {
    this.#isPlaying = false;
  }

  /** One more command, for the end: its answer tells whether the hunt serves. */
  lastWish(): Commanded {
    return this.#act({ type: 'claim', treasure: 'flower' });
  }

  #device(index: number): Device {
    const { footing, history, gateways, hunt, name, mode } = this.parts;
    return new Device({
      footing,
      history,
      chance: this.parts.chance.fork(`device ${index}`),
      gateways,
      hunt,
      name,
      role: 'player',
      mode,
      tag: this.parts.devices === 1 ? name : `${name}.${index}`,
      ready: (device) => this.#resend(device),
      heard: (message) => this.#heard(message),
      lost: () => this.#lost(),
    });
  }

  #play(): void {
    const { chance, rules, inFlightMax, teams } = this.parts;
    const roll = chance.next();
    if (roll < 0.08 && this.#commands.size > 0) {
      this.#repeat(this.#oldestRemembered() ?? chance.pick([...this.#commands.values()].slice(-24)));
      return;
    }
    if (roll < 0.11 && this.#commands.size > 0) {
      this.#contradict(chance.pick([...this.#commands.values()].slice(-12)));
      return;
    }
    if (!this.#hasRoom || this.#open.size >= inFlightMax) return;
    // Gaps are allowed.
    if (chance.chance(0.05)) this.#seq += chance.within(1, 3);
    if (this.#mustJoin && chance.chance(0.7)) this.#act({ type: 'join', name: this.name });
    else this.#act(drawAction(chance, rules, teams.length > 0 ? teams : ['none']));
    this.#mustJoin = false;
  }

  get #hasRoom(): boolean {
    let lowest = this.#seq + 1;
    for (const seq of this.#open.keys()) lowest = Math.min(lowest, seq);
    return this.#seq + 4 < lowest + seqWindow;
  }

  #act(action: Action): Commanded {
    const seq = ++this.#seq;
    const { history, hunt, name, footing } = this.parts;
    const command: Commanded = {
      hunt,
      player: name,
      seq,
      action,
      replies: [],
      sentAt: footing.now(),
      answeredAt: undefined,
      toldAt: undefined,
      refusal: undefined,
      unknown: 0,
      isAbandoned: false,
    };
    history.commands.push(command);
    this.#commands.set(seq, command);
    const open: Open = { command, pending: 0, refusals: 0, cancel: () => undefined };
    this.#open.set(seq, open);
    this.#send(open);
    return command;
  }

  #send(open: Open, through?: Device): void {
    open.cancel();
    const { footing, chance } = this.parts;
    const ready = this.devices.filter((device) => device.isReady);
    const device = through ?? (ready.length > 0 ? chance.pick(ready) : undefined);
    open.cancel = footing.timers.after(resendAfterMs * (1 + chance.next()), () => this.#send(open));
    if (device === undefined) return;
    open.pending++;
    this.#transmit(device, open.command.seq, open.command.action);
  }

  #transmit(device: Device, seq: number, action: Action): void {
    this.parts.history.note(device.tag, `> ${seq} ${short(action)}`);
    device.send({ t: 'act', hunt: this.parts.hunt, seq, action });
  }

  #resend(device: Device): void {
    for (const open of [...this.#open.values()].sort((a, b) => a.command.seq - b.command.seq)) this.#send(open, device);
  }

  /** The last that a hunt must still remember of this player, if it had an effect. */
  #oldestRemembered(): Commanded | undefined {
    let last = 0;
    for (const command of this.#commands.values()) if (hadEffect(command)) last = command.seq;
    const command = this.#commands.get(last - seqWindow + 1);
    return command !== undefined && hadEffect(command) && this.parts.chance.chance(0.5) ? command : undefined;
  }

  /** What was answered is sent again: the first outcome must come. */
  #repeat(command: Commanded): void {
    const device = this.#anyReady();
    if (device === undefined || command.answeredAt === undefined || command.isAbandoned) return;
    // A refusal without effect is not remembered: it would be decided anew, and that is another matter.
    if (!hadEffect(command) || this.#conflicts.has(command.seq)) return;
    this.#repeated.add(command.seq);
    this.#transmit(device, command.seq, command.action);
  }

  /** Another action under a seq with an effect: must be refused. No answer to the first may be under way any more. */
  #contradict(command: Commanded): void {
    const { seq } = command;
    const device = this.#anyReady();
    if (device === undefined || !hadEffect(command) || command.answeredAt === undefined) return;
    if (command.unknown > 0 || this.#repeated.has(seq) || this.#conflicts.has(seq)) return;
    const action: Action = { type: 'claim', treasure: command.action.treasure === 'flower' ? 'daisy' : 'flower' };
    const conflict: Conflicting = {
      hunt: this.parts.hunt,
      player: this.name,
      seq,
      action,
      replies: [],
    };
    this.#conflicts.set(seq, conflict);
    this.parts.history.conflicts.push(conflict);
    this.#transmit(device, seq, action);
  }

  #anyReady(): Device | undefined {
    const ready = this.devices.filter((device) => device.isReady);
    return ready.length > 0 ? this.parts.chance.pick(ready) : undefined;
  }

  #heard(message: ServerMessage): void {
    if (message.t === 'ack' || message.t === 'nack') this.#reply(message);
    else if (message.t === 'ev')
      for (const event of message.events)
        if (event.type === 'TeamCreated' && event.team !== undefined && !this.parts.teams.includes(event.team))
          this.parts.teams.push(event.team);
  }

  #reply(reply: Ack | Nack): void {
    const { history, footing, chance } = this.parts;
    const { hunt, name } = this.parts;
    if (reply.t === 'nack' && reply.code === 'SEQ_STALE')
      history.outdated.push({ hunt, player: name, seq: reply.seq, sentUpTo: this.#seq });
    const conflict = this.#conflicts.get(reply.seq);
    if (conflict !== undefined) {
      conflict.replies.push(reply);
      return;
    }
    const command = this.#commands.get(reply.seq);
    if (command === undefined) {
      history.note(this.name, `a reply to seq ${reply.seq}, which was never sent`);
      return;
    }
    const open = this.#open.get(reply.seq);
    command.replies.push(noted(reply));
    if (reply.version !== undefined) command.toldAt ??= footing.now();
    if (open === undefined) return;
    open.pending = Math.max(0, open.pending - 1);
    if (reply.t === 'nack' && reply.retryable) {
      if (reply.code === 'UNAVAILABLE') command.unknown++;
      open.cancel();
      if (open.pending === 0 && reply.code !== 'UNAVAILABLE' && this.#isPlaying && chance.chance(0.1)) {
        command.isAbandoned = true;
        this.#open.delete(reply.seq);
        history.note(this.name, `gives ${reply.seq} up`);
        return;
      }
      const wait = retryWaitMs(reply.retry_ms, open.refusals++, chance.next());
      open.cancel = footing.timers.after(wait, () => this.#send(open));
      return;
    }
    if (reply.t === 'nack' && reply.version === undefined) command.refusal = { code: reply.code, at: footing.now() };
    if (reply.t === 'nack' && reply.code === 'NOT_JOINED') this.#mustJoin = true;
    open.cancel();
    this.#open.delete(reply.seq);
    command.answeredAt ??= footing.now();
    command.unknown += open.pending;
  }

  /** A device lost its line: what it had sent may have been done. */
  #lost(): void {
    for (const { command, pending } of this.#open.values()) if (pending > 0) command.unknown++;
  }
}

const hadEffect = ({ replies }: Commanded): boolean => replies.some(({ version }) => version !== undefined);

const short = (action: Action): string =>
  Object.entries(action)
    .map(([key, value]) => (key === 'type' ? String(value) : `${key}=${String(value)}`))
    .join(' ');
