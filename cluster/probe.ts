/**
 * One node's eye on another: a link that asks "are you there" and tells how long nothing came back.
 *
 * Owns: the connection and when it was last heard. Does not own: what follows from silence. A connection that is refused is
 * known at once; so is one that breaks, for it is tried again at once. What this process itself slept through it must not
 * blame on others: {@link Probe.excuse}.
 */
import type { Duplex } from 'node:stream';
import { Symptom } from '../proto/generated/node/v1/cluster.ts';
import { Hello } from '../proto/generated/node/v1/link.ts';
import type { Clock } from '../runtime/kernel/clock.ts';
import { FrameReader, frame, frameType } from '../runtime/link/frame.ts';
import { silentMsMax, stuckMsMax } from './limits.ts';

export interface ProbeTarget {
  readonly id: string;
  readonly incarnation: number;
  readonly addr: string;
}

export interface ProbePorts {
  readonly clock: Clock;
  readonly connect: (addr: string) => Duplex;
  /** Whose eye this is, for the other side's logs. */
  readonly name: string;
  readonly view: () => number;
  /** The other side knows a newer view. */
  readonly newerView: (view: number) => void;
  /** Something was noticed that should not wait for the next round. */
  readonly noticed: () => void;
}

/** Nobody listens there: the process is gone. Anything else may be a trouble of the way, or our own. */
const refusals: ReadonlySet<string> = new Set(['ECONNREFUSED', 'ENOENT']);

type State = 'closed' | 'connecting' | 'open';

export class Probe {
  readonly target: ProbeTarget;
  readonly #ports: ProbePorts;
  #socket: Duplex | undefined;
  #state: State = 'closed';
  #refused = false;
  #heardAt: number;
  #everHeard = false;
  #logSilentMs = 0;
  #ended = false;

  constructor(target: ProbeTarget, ports: ProbePorts) {
    this.target = target;
    this.#ports = ports;
    this.#heardAt = ports.clock.monotonic();
    this.#connect();
  }

  /** Whether this incarnation has ever answered. */
  get everHeard(): boolean {
    return this.#everHeard;
  }

  /** What is wrong with it, if anything is. `logSteadyMs`: for how long this process itself has heard from the log all the time. */
  symptom(logSteadyMs: number): Symptom | undefined {
    if (this.#refused) return Symptom.REFUSED;
    if (this.#ports.clock.monotonic() - this.#heardAt > silentMsMax) return Symptom.SILENT;
    if (this.#logSilentMs > stuckMsMax && logSteadyMs > stuckMsMax) return Symptom.STUCK;
    return undefined;
  }

  /** Asks, and connects again if need be. */
  tick(): void {
    if (this.#state === 'open') this.#socket?.write(frame(frameType.ping));
    else if (this.#state === 'closed') this.#connect();
  }

  /** This process did nothing for so long: whatever was not heard meanwhile may lie in its sockets. */
  excuse(ms: number): void {
    this.#heardAt = Math.min(this.#ports.clock.monotonic(), this.#heardAt + ms);
  }

  end(): void {
    this.#ended = true;
    this.#socket?.destroy();
  }

  #connect(): void {
    this.#state = 'connecting';
    const socket = this.#ports.connect(this.target.addr);
    const frames = new FrameReader();
    let wasOpen = false;
    this.#socket = socket;
    socket.on('connect', () => {
      wasOpen = true;
      this.#state = 'open';
      this.#refused = false;
      const hello = Hello.encode({ protocol: 1, peer: this.#ports.name, view: this.#ports.view() }).finish();
      socket.write(frame(frameType.hello, hello));
      socket.write(frame(frameType.ping));
    });
    socket.on('data', (chunk: Buffer) => {
      try {
        frames.push(chunk, (type, payload) => this.#frame(type, payload));
      } catch {
        socket.destroy();
      }
    });
    socket.on('error', (error: NodeJS.ErrnoException) => {
      if (!wasOpen && refusals.has(error.code ?? '')) this.#refused = true;
    });
    socket.on('close', () => {
      this.#state = 'closed';
      if (this.#ended) return;
      if (this.#refused) this.#ports.noticed();
      // It broke: whether somebody still listens shows now, and the next tick would be late.
      else if (wasOpen) this.#connect();
    });
  }

  #frame(type: number, payload: Buffer): void {
    if (type === frameType.hello) {
      const { peer, view } = Hello.decode(payload);
      // Its successor may listen at the same address: that is not the one that the view means.
      if (peer !== `${this.target.id}@${this.target.incarnation}`) this.#socket?.destroy();
      else this.#heard();
      this.#ports.newerView(view);
    } else if (type === frameType.view) this.#ports.newerView(Number(payload.readBigUInt64LE(0)));
    else if (type === frameType.pong) {
      this.#logSilentMs = payload.readUInt32LE(0);
      this.#heard();
    }
  }

  #heard(): void {
    this.#heardAt = this.#ports.clock.monotonic();
    this.#everHeard = true;
  }
}
