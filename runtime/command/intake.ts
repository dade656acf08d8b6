import { Call, CallReply, Hello } from '../../proto/generated/node/v1/link.ts';
import type { Timers } from '../kernel/timer.ts';
import { FrameError, frame, frameHeaderBytes, frameType } from '../link/frame.ts';
import { type FramedLink, FramedServer, type LinkHandler } from '../link/framed-server.ts';
import type { Sockets } from '../link/sockets.ts';
import type { CallAnswer, ReplySink } from './request.ts';

/** What the intake needs of the actor host. */
export interface IntakeHost {
  submitTo(request: Uint8Array, sink: ReplySink, number: number): void;
  call(kind: string, id: number, method: string, body: Uint8Array, answer: (answer: CallAnswer) => void): void;
  /** Decides what was submitted, or answers false and does so as soon as the log can take the outcome. */
  runTurns(): boolean;
  onTurns(listener: () => void): void;
}

export interface IntakeOptions {
  /** A Unix socket's path, or host:port. */
  readonly addr: string;
  /** "<node id>@<incarnation>": so that a gateway notices that another incarnation answers. */
  readonly nodeKey: string;
  readonly host: IntakeHost;
  readonly timers: Timers;
  /** The number of this node's view. */
  readonly view: () => number;
  /** How long this node has not heard from its log, for those who watch it. Absent: nobody asks. */
  readonly logSilentMs?: () => number;
  readonly sockets?: Sockets;
}

export const linkProtocol = 1;
/** Calls of one link that are not answered yet; beyond: BUSY. */
export const linkCallsMax = 4_096;
const requestNumbers = 0x1_0000_0000;
const silenceMsMax = 0xffff_ffff;
const outBytesMin = 16 * 1024;

/**
 * The node's side of the links from the gateways (frames: runtime/link/frame.ts).
 *
 * Owns: the server, and per link the numbers of its requests and the frame of replies that fills. All replies that become
 * ready in one round of the event loop leave in one frame and one write, and `taken` with them. Does not own what is
 * decided, nor what happens to a reply whose link is gone: the gateway sends the command again.
 */
export class Intake {
  readonly #links = new Set<GatewayLink>();
  #server: FramedServer | undefined;

  private constructor(readonly options: IntakeOptions) {}

  static async listen(options: IntakeOptions): Promise<Intake> {
    const intake = new Intake(options);
    options.host.onTurns(() => {
      for (const link of intake.#links) link.decided();
    });
    const accept = (framed: FramedLink): GatewayLink => {
      const link: GatewayLink = new GatewayLink(framed, options, () => intake.#links.delete(link));
      intake.#links.add(link);
      return link;
    };
    intake.#server = await FramedServer.listen(options.addr, options.timers, accept, options.sockets);
    return intake;
  }

  get port(): number | undefined {
    return this.#server?.port;
  }
  get links(): number {
    return this.#links.size;
  }

  /** Tells the gateways that know less of a newer view. */
  announceView(): void {
    for (const link of this.#links) link.announceView();
  }

  async close(): Promise<void> {
    await this.#server?.close();
  }
}

class GatewayLink implements LinkHandler, ReplySink {
  #requestNumber = 0;
  #calls = 0;
  #peerView = 0;
  /** Of the latest submit frame: whether its requests were decided, and `taken` not sent yet. */
  #taken: 'sent' | 'undecided' | 'decided' = 'sent';
  #isFlushComing = false;
  /** Room for a `taken` frame and the header of the replies, then the replies. */
  #out = Buffer.allocUnsafe(outBytesMin);
  #outLength = 2 * frameHeaderBytes;

  constructor(
    readonly link: FramedLink,
    readonly options: IntakeOptions,
    readonly onClosed: () => void,
  ) {
    const hello = Hello.encode({ protocol: linkProtocol, peer: options.nodeKey, view: options.view() }).finish();
    link.write(frame(frameType.hello, hello));
    this.#peerView = options.view();
  }

  frame(type: number, payload: Buffer): void {
    switch (type) {
      case frameType.submit:
        return void this.#submit(payload);
      case frameType.call:
        return void this.#call(payload);
      case frameType.ping: {
        const silence = Buffer.allocUnsafe(4);
        silence.writeUInt32LE(Math.min(silenceMsMax, Math.round(this.options.logSilentMs?.() ?? 0)), 0);
        this.link.write(frame(frameType.pong, silence));
        return;
      }
      case frameType.hello: {
        const { protocol, view } = Hello.decode(payload);
        if (protocol !== linkProtocol) throw new FrameError(`protocol ${protocol}: this node speaks ${linkProtocol}`);
        this.#peerView = Math.max(this.#peerView, view);
        this.announceView();
        return;
      }
      default:
        throw new FrameError(`a gateway sends no frame of type ${type}`);
    }
  }

  closed(): void {
    this.onClosed();
  }

  /** What was submitted so far is decided: the next frame may come, and what it finds is decided together. */
  decided(): void {
    if (this.#taken !== 'undecided') return;
    this.#taken = 'decided';
    this.#flushSoon();
  }

  announceView(): void {
    const view = this.options.view();
    if (view <= this.#peerView) return;
    this.#peerView = view;
    const payload = Buffer.allocUnsafe(8);
    payload.writeBigUInt64LE(BigInt(view), 0);
    this.link.write(frame(frameType.view, payload));
  }

  /** Copies the reply behind those that wait for the next frame. */
  reply(number: number, bytes: Uint8Array): void {
    if (this.link.isOver) return;
    const length = bytes.byteLength;
    const need = this.#outLength + 8 + length;
    if (need > this.#out.length) {
      const larger = Buffer.allocUnsafe(Math.max(need, this.#out.length * 2));
      this.#out.copy(larger, 0, 0, this.#outLength);
      this.#out = larger;
    }
    this.#out.writeUInt32LE(number, this.#outLength);
    this.#out.writeUInt32LE(length, this.#outLength + 4);
    this.#out.set(bytes, this.#outLength + 8);
    this.#outLength = need;
    this.#flushSoon();
  }

  #submit(payload: Buffer): void {
    const { host } = this.options;
    for (let at = 0; at < payload.length; ) {
      if (payload[at++] !== 0x0a) throw new FrameError('a submit frame holds something that is no request');
      let length = 0;
      for (let shift = 0; ; shift += 7) {
        const byte = payload[at++];
        if (byte === undefined || shift > 28) throw new FrameError('a submit frame ends within a length');
        length += (byte & 127) * 2 ** shift;
        if (byte < 128) break;
      }
      if (at + length > payload.length) throw new FrameError('a submit frame ends within a request');
      const number = this.#requestNumber;
      this.#requestNumber = (number + 1) % requestNumbers;
      host.submitTo(payload.subarray(at, at + length), this, number);
      at += length;
    }
    this.#taken = 'undecided';
    this.#flushSoon();
  }

  #call(payload: Buffer): void {
    if (payload.length < 4) throw new FrameError('a call without a number');
    const number = Buffer.from(payload.subarray(0, 4));
    const { kind, actorId, method, body } = Call.decode(payload.subarray(4));
    if (this.#calls >= linkCallsMax) {
      this.#answer(number, {
        ok: false,
        code: 'BUSY',
        message: `${linkCallsMax} calls of this gateway wait: try again`,
        retryMs: 250,
      });
      return;
    }
    this.#calls++;
    this.options.host.call(kind, actorId, method, body, (answer) => {
      this.#calls--;
      this.#answer(number, answer);
    });
  }

  #answer(number: Buffer, answer: CallAnswer): void {
    this.link.write(frame(frameType.callReply, number, CallReply.encode(callReply(answer)).finish()));
  }

  #flushSoon(): void {
    if (this.#isFlushComing) return;
    this.#isFlushComing = true;
    this.options.timers.soon(() => {
      this.#isFlushComing = false;
      // What was submitted in this round is decided before it is called taken.
      if (this.#taken === 'undecided') this.options.host.runTurns();
      this.#flush();
    });
  }

  #flush(): void {
    const hasReplies = this.#outLength > 2 * frameHeaderBytes;
    const start = this.#taken === 'decided' ? 0 : frameHeaderBytes;
    const end = hasReplies ? this.#outLength : frameHeaderBytes;
    if (end <= start) return;
    const out = this.#out;
    out.writeUInt32LE(1, 0);
    out[4] = frameType.taken;
    out.writeUInt32LE(this.#outLength - 2 * frameHeaderBytes + 1, frameHeaderBytes);
    out[frameHeaderBytes + 4] = frameType.replies;
    if (this.#taken === 'decided') this.#taken = 'sent';
    this.#out = Buffer.allocUnsafe(outBytesMin);
    this.#outLength = 2 * frameHeaderBytes;
    this.link.write(out.subarray(start, end));
  }
}

function callReply(answer: CallAnswer): CallReply {
  if (answer.ok)
    return {
      code: '',
      message: '',
      retryMs: 0,
      version: answer.version,
      detailJson: '',
      body: Buffer.from(answer.body.buffer, answer.body.byteOffset, answer.body.byteLength),
    };
  const { code, message, retryMs, detail } = answer;
  return {
    code,
    message,
    retryMs: retryMs ?? 0,
    version: 0,
    detailJson: detail === undefined ? '' : JSON.stringify(detail),
    body: Buffer.alloc(0),
  };
}
