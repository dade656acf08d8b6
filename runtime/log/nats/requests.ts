/**
 * Questions to the server. Owns those under way: bounded, asked again after a break or when no answer comes (so only what
 * may be repeated is asked here), given up with {@link LogUnavailableError} after a bounded patience. Appends are not asked here.
 */
import type { Msg } from 'nats';
import { LogUnavailableError } from '../event-log.ts';
import type { Inbox } from './inbox.ts';
import { headerBlock, type NatsLink } from './nats-link.ts';

/** Questions on the way at once; more wait here. */
const flyingMax = 512;
const waitingMax = 20_000;
const waitingBytesMax = 128 * 1024 * 1024;
/** No answer for so long, though the server is there: the question or its answer was lost. */
const askAgainMs = 2_000;
/** Nobody listened: a server that has just started listens soon. */
const nobodyAgainMs = 100;

export interface Reply {
  /** 0: an answer; else the status that the server gave instead (404: there is no such message). */
  readonly status: number;
  readonly header: string;
  /** Lies in the socket's buffer: who keeps it, copies it. */
  readonly body: Buffer;
}

export interface Question {
  readonly subject: string;
  readonly body: Uint8Array;
  readonly header?: Buffer;
  readonly patienceMs?: number;
  /** Called in the very turn in which the answer is read, before any message behind it. */
  resolve(reply: Reply): void;
  reject(error: Error): void;
}

interface Flying {
  readonly question: Question;
  readonly reply: string;
  readonly sinceMs: number;
  againMs: number;
}

export class Requests {
  /** By reply subject, in the order in which they were asked. */
  readonly #flying = new Map<string, Flying>();
  readonly #waiting: { readonly question: Question; readonly sinceMs: number }[] = [];
  #bytes = 0;
  #isClosed = false;

  constructor(
    private readonly link: NatsLink,
    private readonly inbox: Inbox,
    private readonly patienceMs: number,
  ) {
    link.listen({ up: () => this.#up(), tick: () => this.#tick() });
  }

  ask(
    subject: string,
    body: Uint8Array = nothing,
    more: { header?: Buffer; patienceMs?: number } = {},
  ): Promise<Reply> {
    return new Promise((resolve, reject) => this.put({ subject, body, ...more, resolve, reject }));
  }

  put(question: Question): void {
    if (this.#isClosed) question.reject(new LogUnavailableError('the log was closed here'));
    else if (!this.link.isUp && this.link.silentMs >= (question.patienceMs ?? this.patienceMs))
      question.reject(this.#away());
    else if (this.#waiting.length >= waitingMax || this.#bytes + question.body.byteLength > waitingBytesMax) {
      const message = `${this.#waiting.length} questions to the log wait (at most ${waitingMax}, ${waitingBytesMax} bytes): try again soon`;
      question.reject(new LogUnavailableError(message));
    } else {
      this.#bytes += question.body.byteLength;
      this.#waiting.push({ question, sinceMs: this.link.awakeMs });
      this.#sendWaiting();
    }
  }

  #sendWaiting(): void {
    let sent = 0;
    while (this.link.isUp && this.#flying.size < flyingMax && sent < this.#waiting.length) {
      const { question, sinceMs } = this.#waiting[sent++] as { question: Question; sinceMs: number };
      const reply: string = this.inbox.open((message) => this.#answered(reply, message));
      const flying = { question, reply, sinceMs, againMs: 0 };
      this.#flying.set(reply, flying);
      this.#send(flying);
    }
    if (sent > 0) this.#waiting.splice(0, sent);
  }

  #send(flying: Flying): void {
    const { subject, body, header } = flying.question;
    flying.againMs = this.link.awakeMs + askAgainMs;
    this.link.publish(subject, body, flying.reply, header);
  }

  #answered(reply: string, message: Msg): void {
    const flying = this.#flying.get(reply);
    if (flying === undefined) return;
    const header = headerBlock(message);
    const status = statusOf(header);
    if (status === noResponders) {
      flying.againMs = this.link.awakeMs + nobodyAgainMs;
      return;
    }
    this.#forget(flying);
    const { data } = message;
    flying.question.resolve({ status, header, body: Buffer.from(data.buffer, data.byteOffset, data.byteLength) });
    this.#sendWaiting();
  }

  #forget(flying: Flying): void {
    this.#flying.delete(flying.reply);
    this.inbox.close(flying.reply);
    this.#bytes -= flying.question.body.byteLength;
  }

  #up(): void {
    for (const flying of this.#flying.values()) this.#send(flying);
    this.#sendWaiting();
  }

  #tick(): void {
    const now = this.link.awakeMs;
    const isAway = !this.link.isUp && this.link.silentMs >= this.patienceMs;
    for (const flying of [...this.#flying.values()]) {
      const patienceMs = flying.question.patienceMs ?? this.patienceMs;
      if (now - flying.sinceMs >= patienceMs) {
        this.#forget(flying);
        flying.question.reject(
          this.link.isHeard ? nobodyAnswers(flying.question.subject, this.link.server) : this.#away(),
        );
      } else if (this.link.isHeard && now >= flying.againMs) this.#send(flying);
    }
    const late = this.#waiting.filter(
      ({ question, sinceMs }) => isAway || now - sinceMs >= (question.patienceMs ?? this.patienceMs),
    );
    if (late.length > 0) {
      const gone = new Set(late);
      this.#waiting.splice(0, this.#waiting.length, ...this.#waiting.filter((one) => !gone.has(one)));
      for (const { question } of late) {
        this.#bytes -= question.body.byteLength;
        question.reject(this.#away());
      }
    }
    this.#sendWaiting();
  }

  #away(): LogUnavailableError {
    const { link } = this;
    const why = link.trouble === '' ? '' : ` (${link.trouble})`;
    return new LogUnavailableError(`NATS at ${link.server} has been away for ${Math.round(link.silentMs)} ms${why}`);
  }

  close(): void {
    this.#isClosed = true;
    const gone = [
      ...[...this.#flying.values()].map((one) => one.question),
      ...this.#waiting.map((one) => one.question),
    ];
    for (const flying of [...this.#flying.values()]) this.#forget(flying);
    this.#waiting.length = 0;
    for (const question of gone) question.reject(new LogUnavailableError('the log was closed here'));
  }
}

const nothing = new Uint8Array(0);

/** What the server answers when nobody is subscribed to a subject that it was asked at. */
export const noResponders = 503;

/** Some subjects of JetStream's have listeners that answer nothing when the stream is missing. */
export const nobodyAnswers = (subject: string, server: string): LogUnavailableError =>
  new LogUnavailableError(
    `NATS at ${server} is there, but nobody answers at ${subject} (no responders): its JetStream is off or not ready, or the stream is missing`,
  );

/** `NATS/1.0 404 Message Not Found`: 404. */
export function statusOf(header: string): number {
  if (header === '' || header.charCodeAt(8) !== 32) return 0;
  const status = Number.parseInt(header.slice(9, 12), 10);
  return Number.isNaN(status) ? 0 : status;
}
