/**
 * The link to one node in one incarnation. Owns: the connection, the frame that fills while another is on its way, and
 * which requests were sent and not answered. Does not own: what becomes of them when it breaks (it hands them back).
 * Invariants: one submit frame in flight, so that what arrives meanwhile becomes the next one and an idle link sends at
 * once; requests are numbered in the order of the link; each request is answered, or handed back, exactly once.
 */
import type { Duplex } from 'node:stream';
import { Call, CallReply, Hello } from '../../proto/generated/node/v1/link.ts';
import type { Clock } from '../../runtime/kernel/clock.ts';
import type { Timers } from '../../runtime/kernel/timer.ts';
import { FrameReader, frame, frameHeaderBytes, frameType } from '../../runtime/link/frame.ts';
import type { Envelope, Pending, PendingCall, PendingCommand } from './pending.ts';
import type { NodeAddress } from './route.ts';

export const linkProtocol = 1;
/** Commands on one link that are not answered yet. */
export const linkCommandsMax = 50_000;
/** Bytes in the frame that fills. */
export const linkBytesMax = 8 * 1024 * 1024;
export const connectMsMax = 2_000;

/** Errors of a connection attempt that say that the process is gone; others may be a trouble of the way, or our own. */
const refusals: ReadonlySet<string> = new Set(['ECONNREFUSED', 'ENOENT']);
const slotsLookedAt = 64;

const envelopeBytesMin = 4 * 1024;
const requestNumbers = 0x100000000;

interface Box extends Envelope {
  bytes: Buffer;
}

export interface LinkEvents {
  opened(link: NodeLink): void;
  /** The link is over. Work that was surely not sent is still `boxed`, the rest `sent`. */
  lost(link: NodeLink, work: readonly Pending[]): void;
  reply(link: NodeLink, command: PendingCommand, reply: Uint8Array): void;
  called(link: NodeLink, call: PendingCall, reply: CallReply): void;
  newerView(view: number): void;
}

export class NodeLink {
  state: 'connecting' | 'open' | 'closed' = 'connecting';
  readonly #reader = new FrameReader();
  #envelope: Box = fresh();
  #boxed: PendingCommand[] = [];
  /** A submit frame was sent and not `taken` yet. */
  #inFlight = false;
  #flushing = false;
  #sent = 0;
  readonly #commands = new Map<number, PendingCommand>();
  #calls = new Map<number, PendingCall>();
  #callNumber = 0;
  #heard = false;
  /** Nobody listens at the node's address. */
  #refused = false;
  /** Since when something waits and nothing was answered. */
  #stalledAt: number | undefined;
  #answeredAt = Number.NEGATIVE_INFINITY;
  readonly #cancelConnect: () => void;

  constructor(
    readonly node: NodeAddress,
    private readonly socket: Duplex,
    private readonly name: string,
    private readonly view: () => number,
    private readonly clock: Clock,
    private readonly timers: Timers,
    private readonly events: LinkEvents,
  ) {
    socket.on('connect', this.#onConnect);
    socket.on('data', this.#onData);
    socket.on('error', (error: NodeJS.ErrnoException) => {
      this.#refused = this.state === 'connecting' && refusals.has(error.code ?? '');
      this.end();
    });
    socket.on('close', () => this.end());
    // A peer that accepts and never says hello is as good as none.
    this.#cancelConnect = timers.after(connectMsMax, () => {
      if (!this.#heard) this.end();
    });
  }

  get key(): string {
    return nodeKey(this.node);
  }
  get full(): boolean {
    return this.#commands.size + this.#boxed.length >= linkCommandsMax || this.#envelope.length >= linkBytesMax;
  }
  get refused(): boolean {
    return this.#refused;
  }
  /** For how long nothing was answered although something waits; 0: nothing waits. */
  get stalledMs(): number {
    return this.#stalledAt === undefined ? 0 : this.clock.monotonic() - this.#stalledAt;
  }
  get answeredMs(): number {
    return this.clock.monotonic() - this.#answeredAt;
  }
  /** Of how many slots commands wait for their answers, counted among the oldest. */
  get slotsWaiting(): number {
    const slots = new Set<number>();
    let seen = 0;
    for (const { slot } of this.#commands.values()) {
      slots.add(slot);
      if (++seen >= slotsLookedAt) break;
    }
    return slots.size;
  }
  get unanswered(): number {
    return this.#commands.size + this.#boxed.length + this.#calls.size;
  }

  /** Copies the command behind those that wait for the next frame. */
  submit(command: PendingCommand): void {
    const length = command.length;
    const envelope = this.#envelope;
    // Tag, length varint (at most 5 bytes), the request.
    const need = envelope.length + 6 + length;
    if (need > envelope.bytes.length) {
      const larger = Buffer.allocUnsafe(Math.max(envelope.bytes.length * 2, need));
      envelope.bytes.copy(larger, 0, 0, envelope.length);
      envelope.bytes = larger;
    }
    const bytes = envelope.bytes;
    let at = envelope.length;
    bytes[at++] = 0x0a;
    for (let rest = length; ; rest >>>= 7) {
      if (rest < 0x80) {
        bytes[at++] = rest;
        break;
      }
      bytes[at++] = (rest & 0x7f) | 0x80;
    }
    bytes.set(command.envelope.bytes.subarray(command.at, command.at + length), at);
    command.envelope = envelope;
    command.at = at;
    command.where = 'boxed';
    envelope.length = at + length;
    this.#boxed.push(command);
    this.#flushSoon();
  }

  call(call: PendingCall): void {
    const number = this.#callNumber;
    this.#callNumber = (number + 1) % requestNumbers;
    this.#calls.set(number, call);
    call.where = 'boxed';
    if (this.state === 'open') this.#writeCall(number, call);
  }

  /**
   * Takes back what `which` names: what is boxed will not be sent, the answers of what was sent will be dropped. Without
   * this a stopped node would keep commands that its successor could serve.
   */
  withdraw(which: (work: Pending) => boolean): Pending[] {
    const out: Pending[] = [];
    for (const [number, command] of this.#commands)
      if (which(command)) {
        this.#commands.delete(number);
        out.push(command);
      }
    if (this.#commands.size === 0) this.#stalledAt = undefined;
    for (const [number, call] of this.#calls)
      if (which(call)) {
        this.#calls.delete(number);
        out.push(call);
      }
    const boxed = new Set(this.#boxed.filter(which));
    if (boxed.size > 0) {
      out.push(...boxed);
      const stay = this.#boxed.filter((command) => !boxed.has(command));
      this.#boxed = [];
      this.#envelope = fresh();
      for (const command of stay) this.submit(command);
    }
    return out;
  }

  end(): void {
    if (this.state === 'closed') return;
    this.state = 'closed';
    this.#cancelConnect();
    this.socket.off('connect', this.#onConnect);
    this.socket.off('data', this.#onData);
    this.socket.destroy();
    const work: Pending[] = [...this.#commands.values(), ...this.#boxed, ...this.#calls.values()];
    this.#commands.clear();
    this.#boxed = [];
    this.#calls = new Map();
    this.#stalledAt = undefined;
    this.events.lost(this, work);
  }

  readonly #onConnect = (): void => {
    if (this.state !== 'connecting') return;
    this.state = 'open';
    const hello = Hello.encode({ protocol: linkProtocol, peer: this.name, view: this.view() }).finish();
    this.socket.write(frame(frameType.hello, hello));
    for (const [number, call] of this.#calls) this.#writeCall(number, call);
    this.#flush();
    this.events.opened(this);
  };

  readonly #onData = (chunk: Buffer): void => {
    try {
      this.#reader.push(chunk, this.#onFrame);
    } catch {
      // Damage on the link: what was asked is asked again elsewhere or on a new link.
      this.end();
    }
  };

  readonly #onFrame = (type: number, payload: Buffer): void => {
    if (this.state === 'closed') return;
    switch (type) {
      case frameType.hello:
        this.#heard = true;
        this.#cancelConnect();
        this.#greeted(Hello.decode(payload));
        return;
      case frameType.taken:
        this.#inFlight = false;
        this.#flush();
        return;
      case frameType.replies:
        this.#replies(payload);
        return;
      case frameType.callReply: {
        const number = payload.readUInt32LE(0);
        const call = this.#calls.get(number);
        if (call === undefined) return;
        this.#calls.delete(number);
        this.events.called(this, call, CallReply.decode(payload.subarray(4)));
        return;
      }
      case frameType.view:
        this.events.newerView(Number(payload.readBigUInt64LE(0)));
        return;
    }
  };

  #greeted(hello: Hello): void {
    // Another incarnation may listen at the same address: it is not the node that the view means.
    if (hello.peer.includes('@') && hello.peer !== this.key) {
      this.end();
      return;
    }
    if (hello.view > this.view()) this.events.newerView(hello.view);
  }

  #replies(payload: Buffer): void {
    let at = 0;
    while (at + 8 <= payload.length) {
      const number = payload.readUInt32LE(at);
      const length = payload.readUInt32LE(at + 4);
      at += 8;
      const command = this.#commands.get(number);
      if (command !== undefined) {
        this.#commands.delete(number);
        this.events.reply(this, command, payload.subarray(at, at + length));
      }
      at += length;
    }
    this.#answered();
  }

  #answered(): void {
    this.#answeredAt = this.clock.monotonic();
    this.#stalledAt = this.#commands.size === 0 ? undefined : this.#answeredAt;
  }

  #writeCall(number: number, call: PendingCall): void {
    const head = Buffer.allocUnsafe(4);
    head.writeUInt32LE(number, 0);
    const body = Call.encode({
      kind: call.stream.kind,
      actorId: call.stream.id,
      method: call.method,
      body: call.payload,
    }).finish();
    call.where = 'sent';
    this.socket.write(frame(frameType.call, head, body));
  }

  /** What comes in one batch of I/O callbacks leaves in one frame. */
  #flushSoon(): void {
    if (this.#flushing || this.#inFlight || this.state !== 'open') return;
    this.#flushing = true;
    this.timers.soon(() => {
      this.#flushing = false;
      this.#flush();
    });
  }

  #flush(): void {
    if (this.#inFlight || this.state !== 'open' || this.#boxed.length === 0) return;
    const envelope = this.#envelope;
    envelope.bytes.writeUInt32LE(envelope.length - 4, 0);
    envelope.bytes[4] = frameType.submit;
    for (const command of this.#boxed) {
      command.where = 'sent';
      this.#commands.set(this.#sent, command);
      this.#sent = (this.#sent + 1) % requestNumbers;
    }
    this.#boxed = [];
    this.#envelope = fresh();
    this.#inFlight = true;
    this.#stalledAt ??= this.clock.monotonic();
    this.socket.write(envelope.bytes.subarray(0, envelope.length));
  }
}

export const nodeKey = (node: NodeAddress): string => `${node.id}@${node.incarnation}`;

const fresh = (): Box => ({ bytes: Buffer.allocUnsafe(envelopeBytesMin), length: frameHeaderBytes });
