/**
 * What waits to leave on one socket. Owns: the frames of the present callback, and the socket's buffered bytes. Does not
 * own: who is fed (the hub asks `lagging` and stops feeding; the drain tells it to go on from the log).
 * Invariants: frames leave whole and in the order of the calls; nothing is dropped while the socket lives (I5: beyond the
 * bound the socket is ended by name, never starved).
 */
import type { Duplex } from 'node:stream';
import type { Clock } from '../../runtime/kernel/clock.ts';

/** From here on the socket gets no live events; it is fed from the log when it has drained. */
export const laggingBytes = 64 * 1024;
/** From here on it is closed: "slow, resume". */
export const outboxBytesMax = 1024 * 1024;
/** So long may a socket that lags go without draining. */
export const drainMsMax = 10_000;

export interface OutboxWatch {
  /** Called once each time when a lagging socket has drained. */
  drained(): void;
  overflowed(): void;
}

export class Outbox {
  #frames: Buffer[] = [];
  #merging = false;
  #laggingSince: number | undefined;
  #ended = false;

  constructor(
    private readonly socket: Duplex,
    private readonly clock: Clock,
    private readonly watch: OutboxWatch,
    private readonly count: { frames(sent: number): void; lagging(change: 1 | -1): void },
  ) {
    socket.on('drain', this.#onDrain);
  }

  get lagging(): boolean {
    return this.#laggingSince !== undefined;
  }
  get bytes(): number {
    return this.socket.writableLength;
  }
  /** Whether it has lagged for so long without draining that it must go. */
  slow(now: number): boolean {
    return this.#laggingSince !== undefined && now - this.#laggingSince > drainMsMax;
  }

  /** Leaves with all else of this callback in one write. */
  send(frame: Buffer): void {
    if (this.#ended) return;
    this.#frames.push(frame);
    if (this.#merging) return;
    this.#merging = true;
    queueMicrotask(this.#merged);
  }

  /** Leaves now, behind what was sent before. */
  write(frame: Buffer): void {
    if (this.#ended) return;
    if (this.#frames.length > 0) {
      this.#frames.push(frame);
      this.flush();
      return;
    }
    this.count.frames(1);
    this.socket.write(frame);
    this.#judge();
  }

  flush(): void {
    const frames = this.#frames;
    if (frames.length === 0) return;
    this.#frames = [];
    if (this.#ended) return;
    this.count.frames(frames.length);
    if (frames.length === 1) this.socket.write(frames[0] as Buffer);
    else {
      this.socket.cork();
      for (const frame of frames) this.socket.write(frame);
      this.socket.uncork();
    }
    this.#judge();
  }

  /** Nothing leaves any more. */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#frames = [];
    this.socket.off('drain', this.#onDrain);
    if (this.#laggingSince !== undefined) this.count.lagging(-1);
    this.#laggingSince = undefined;
  }

  readonly #merged = (): void => {
    this.#merging = false;
    this.flush();
  };

  #judge(): void {
    const waiting = this.socket.writableLength;
    if (waiting < laggingBytes) return;
    if (this.#laggingSince === undefined) {
      this.#laggingSince = this.clock.monotonic();
      this.count.lagging(1);
    }
    if (waiting >= outboxBytesMax) this.watch.overflowed();
  }

  readonly #onDrain = (): void => {
    if (this.#laggingSince === undefined || this.#ended) return;
    this.#laggingSince = undefined;
    this.count.lagging(-1);
    this.watch.drained();
  };
}
