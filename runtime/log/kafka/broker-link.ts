/**
 * One connection to one broker. Owns the socket and the requests that wait for an answer on it. A request that is not
 * answered in time ends the connection, so that nothing waits behind a broker that hangs; so does any other fault. The
 * next request connects again. What became of the requests that failed with it is unknown.
 */
import { createConnection, type Socket } from 'node:net';
import type { Cancel, Timers } from '../../kernel/timer.ts';
import type { KafkaRequest } from './requests.ts';
import { WireReader, WireWriter } from './wire.ts';

/** A longer answer can only be damage. */
const answerBytesMax = 128 * 1024 * 1024;
const correlationBytes = 4;
const lengthBytes = 4;

export interface BrokerAddress {
  readonly host: string;
  readonly port: number;
}

export interface LinkOptions {
  readonly clientId: string;
  readonly connectMs: number;
  readonly timers: Timers;
  /** Called whenever the broker said something. */
  readonly heard: () => void;
  /** Where a broker is to be reached instead, for tunnels and tests. */
  readonly route: (address: BrokerAddress) => BrokerAddress;
}

export class BrokerUnreachableError extends Error {
  override readonly name = 'BrokerUnreachableError';
}

interface Waiting {
  readonly resolve: (reader: WireReader) => void;
  readonly reject: (error: Error) => void;
  readonly cancel: Cancel;
}

type LinkState =
  | { readonly kind: 'idle' }
  | { readonly kind: 'connecting'; readonly socket: Socket; readonly unsent: Buffer[] }
  | { readonly kind: 'up'; readonly socket: Socket }
  | { readonly kind: 'closed' };

export class BrokerLink {
  #state: LinkState = { kind: 'idle' };
  #waiting = new Map<number, Waiting>();
  #number = 0;
  #parts: Buffer[] = [];
  #have = 0;
  #need = lengthBytes;

  constructor(
    readonly address: BrokerAddress,
    private readonly options: LinkOptions,
  ) {}

  /** Requests are carried out in the order of the calls. */
  async ask<T>(request: KafkaRequest<T>, timeoutMs: number): Promise<T> {
    const reader = await new Promise<WireReader>((resolve, reject) => {
      if (this.#state.kind === 'closed') {
        reject(new BrokerUnreachableError('the link was closed here'));
        return;
      }
      this.#number = (this.#number + 1) & 0x7fffffff;
      const number = this.#number;
      const cancel = this.options.timers.after(timeoutMs, () =>
        this.#fail(new BrokerUnreachableError(`${request.name}: no answer from ${this.#name} in time`)),
      );
      this.#waiting.set(number, { resolve, reject, cancel });
      this.#send(frameOf(request, number, this.options.clientId));
    });
    return request.parse(reader);
  }

  /** Ends the connection; the next request makes a new one. */
  reset(why: string): void {
    this.#fail(new BrokerUnreachableError(`${this.#name}: ${why}`));
  }

  close(): void {
    this.#fail(new BrokerUnreachableError('the link was closed here'));
    this.#state = { kind: 'closed' };
  }

  get #name(): string {
    return `${this.address.host}:${this.address.port}`;
  }

  #send(frame: Buffer): void {
    if (this.#state.kind === 'idle') this.#connect();
    if (this.#state.kind === 'connecting') this.#state.unsent.push(frame);
    else if (this.#state.kind === 'up') this.#state.socket.write(frame);
  }

  #connect(): void {
    const { host, port } = this.options.route(this.address);
    const socket = createConnection({ host, port, noDelay: true, keepAlive: true });
    const unsent: Buffer[] = [];
    this.#state = { kind: 'connecting', socket, unsent };
    const isCurrent = (): boolean =>
      (this.#state.kind === 'connecting' || this.#state.kind === 'up') && this.#state.socket === socket;
    const over = (why: string): void => {
      if (isCurrent()) this.#fail(new BrokerUnreachableError(`${this.#name}: ${why}`));
    };
    const cancel = this.options.timers.after(this.options.connectMs, () => over('no connection in time'));
    socket.on('connect', () => {
      cancel();
      if (!isCurrent()) return;
      this.#state = { kind: 'up', socket };
      for (const frame of unsent) socket.write(frame);
    });
    socket.on('data', (chunk) => {
      if (isCurrent()) this.#data(chunk);
    });
    socket.on('error', (error) => over(error.message));
    socket.on('close', () => {
      cancel();
      over('the broker closed the connection');
    });
  }

  #fail(error: BrokerUnreachableError): void {
    const state = this.#state;
    if (state.kind === 'closed') return;
    this.#state = { kind: 'idle' };
    if (state.kind !== 'idle') state.socket.destroy();
    this.#parts = [];
    this.#have = 0;
    this.#need = lengthBytes;
    const waiting = this.#waiting;
    this.#waiting = new Map();
    for (const { reject, cancel } of waiting.values()) {
      cancel();
      reject(error);
    }
  }

  #data(chunk: Buffer): void {
    this.#parts.push(chunk);
    this.#have += chunk.length;
    if (this.#have < this.#need) return;
    let data = this.#parts.length === 1 ? chunk : Buffer.concat(this.#parts, this.#have);
    this.#need = lengthBytes;
    while (data.length >= lengthBytes) {
      const length = data.readInt32BE(0);
      if (length < correlationBytes || length > answerBytesMax) {
        this.#fail(new BrokerUnreachableError(`${this.#name}: an answer of ${length} bytes`));
        return;
      }
      if (data.length < lengthBytes + length) {
        this.#need = lengthBytes + length;
        break;
      }
      this.#answer(data.subarray(lengthBytes, lengthBytes + length));
      data = data.subarray(lengthBytes + length);
    }
    this.#parts = data.length === 0 ? [] : [data];
    this.#have = data.length;
  }

  #answer(frame: Buffer): void {
    this.options.heard();
    const number = frame.readInt32BE(0);
    const waiting = this.#waiting.get(number);
    if (waiting === undefined) return;
    this.#waiting.delete(number);
    waiting.cancel();
    waiting.resolve(new WireReader(frame, correlationBytes));
  }
}

function frameOf(request: KafkaRequest<unknown>, number: number, clientId: string): Buffer {
  const out = new WireWriter(64 + request.body.length);
  out.i32(0).i16(request.key).i16(request.version).i32(number).string(clientId).raw(request.body);
  out.setI32(0, out.length - lengthBytes);
  return out.written;
}
