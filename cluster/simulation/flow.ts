/**
 * One direction of a connection: bytes in order, as TCP keeps them, each after the way's delay, none while the way is cut (they
 * are sent again when it is whole), and no more on the way than the window. Owns what is on its way.
 */
import type { Entry } from './schedule.ts';
import { type SimProcess, usPerMs } from './sim-process.ts';
import type { SimSocket } from './sim-socket.ts';

/** Bytes on their way or unread, beyond which the sender waits. */
const windowBytes = 256 * 1024;

export type Ending = 'fin' | 'reset';

/** What a flow asks of the network. */
export interface Way {
  /** Microseconds that a packet takes now. */
  delay(): number;
  readonly isCut: boolean;
  /** Where a packet is split into two reads; 0: nowhere. */
  splitAt(length: number): number;
  delivered(bytes: Buffer): void;
}

interface Packet {
  readonly due: number;
  readonly bytes: Buffer;
  readonly ending: Ending | undefined;
}

export class Flow {
  #packets: Packet[] = [];
  #unread = 0;
  #lastDue = 0;
  #blocked: (() => void) | undefined;
  #coming: Entry | undefined;
  #isFinished = false;
  #isOver = false;

  constructor(
    readonly from: SimProcess,
    readonly fromLife: number,
    readonly to: SimSocket,
    readonly way: Way,
  ) {
    to.wantsMore = () => {
      this.#read();
      this.#pump();
    };
  }

  /** `done` is called when there is room for more. */
  send(parts: readonly Buffer[], done: () => void): void {
    if (this.#isFinished || this.#isOver) {
      done();
      return;
    }
    // A copy: the kernel has the bytes, and the writer may use its buffer again.
    const bytes = parts.length === 1 ? Buffer.from(parts[0] as Buffer) : Buffer.concat(parts);
    this.#unread += bytes.length;
    const split = this.way.splitAt(bytes.length);
    if (split > 0) this.#add(bytes.subarray(0, split), undefined);
    this.#add(bytes.subarray(split), undefined);
    if (this.#unread < windowBytes) done();
    else this.#blocked = done;
  }

  /** No more follows. */
  finish(ending: Ending): void {
    if (this.#isFinished || this.#isOver) return;
    this.#isFinished = true;
    this.#add(Buffer.alloc(0), ending);
  }

  /** Breaks: of what is on its way the last `lost` packets never arrive, and the receiver learns of it. */
  breakOff(lost: number): void {
    if (this.#isOver) return;
    this.#packets.splice(Math.max(0, this.#packets.length - lost));
    this.#isFinished = true;
    this.#unblock();
    this.#add(Buffer.alloc(0), 'reset');
  }

  /** The sender's machine is gone without a word. */
  fallSilent(): void {
    this.#isFinished = true;
    this.#isOver = true;
    this.#coming = cancelled(this.#coming);
  }

  /** After {@link fallSilent}: whoever still believes in the connection is told. */
  deny(): void {
    this.#isOver = false;
    this.#packets = [];
    this.#add(Buffer.alloc(0), 'reset');
  }

  /** The way is whole again after a cut: what was lost is sent once more. */
  resume(afterUs: number): void {
    if (this.#packets.length === 0 || this.#isOver) return;
    const due = this.from.schedule.now + Math.ceil(afterUs);
    this.#packets = this.#packets.map((packet) => ({ ...packet, due: Math.max(due, packet.due) }));
    this.#lastDue = Math.max(this.#lastDue, due);
    this.#coming = cancelled(this.#coming);
    this.#pump();
  }

  /** The way is as quick as ever: what would still take long is sent once more, and arrives by then. */
  hasten(withinUs: number): void {
    if (this.#packets.length === 0 || this.#isOver) return;
    const latest = this.from.schedule.now + Math.ceil(withinUs);
    this.#packets = this.#packets.map((packet) => ({ ...packet, due: Math.min(latest, packet.due) }));
    this.#lastDue = Math.min(this.#lastDue, latest);
    this.#coming = cancelled(this.#coming);
    this.#pump();
  }

  get onTheWay(): number {
    return this.#packets.length;
  }

  #add(bytes: Buffer, ending: Ending | undefined): void {
    const due = Math.max(this.#lastDue, this.from.schedule.now + Math.ceil(this.way.delay()));
    this.#lastDue = due;
    this.#packets.push({ due, bytes, ending });
    this.#pump();
  }

  #pump(): void {
    const first = this.#packets[0];
    if (this.#coming !== undefined || first === undefined || this.#isOver || this.to.isFull) return;
    const { process } = this.to;
    const us = Math.max(0, first.due - process.schedule.now);
    const arrive = (): void => {
      this.#coming = undefined;
      this.#arrive();
    };
    this.#coming = process.later(us, `net ${this.from.name}`, arrive, this.to.life);
  }

  #arrive(): void {
    // Lost on the way: the cut's end sends it again.
    if (this.way.isCut || this.#isOver) return;
    const { now } = this.to.process.schedule;
    const here: Buffer[] = [];
    let ending: Ending | undefined;
    while (ending === undefined && (this.#packets[0]?.due ?? Number.POSITIVE_INFINITY) <= now) {
      const packet = this.#packets.shift() as Packet;
      if (packet.bytes.length > 0) here.push(packet.bytes);
      ending = packet.ending;
    }
    if (here.length > 0 && !this.to.destroyed) {
      const bytes = here.length === 1 ? (here[0] as Buffer) : Buffer.concat(here);
      this.way.delivered(bytes);
      if (!this.to.push(bytes)) this.to.isFull = true;
      else this.#read();
    }
    if (ending === 'fin') this.to.push(null);
    if (ending === 'reset') {
      this.#isOver = true;
      this.to.destroy(Object.assign(new Error('the connection was reset'), { code: 'ECONNRESET' }));
      return;
    }
    if (ending !== undefined) this.#isOver = true;
    this.#pump();
  }

  /** The receiver has taken what arrived. */
  #read(): void {
    this.#unread = this.#packets.reduce((sum, { bytes }) => sum + bytes.length, 0);
    if (this.#unread < windowBytes) this.#unblock();
  }

  #unblock(): void {
    const blocked = this.#blocked;
    this.#blocked = undefined;
    // The room is known to the sender a little later, and only if it lives.
    if (blocked !== undefined) this.from.later(usPerMs / 10, 'net room', blocked, this.fromLife);
  }
}

function cancelled(entry: Entry | undefined): undefined {
  if (entry !== undefined) entry.isCancelled = true;
  return undefined;
}
