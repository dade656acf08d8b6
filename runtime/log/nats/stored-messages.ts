/**
 * Single messages of the log's stream, by subject or sequence, asked of the server. A stream with one replica answers
 * through direct gets; with several, a replica that lags could answer those, so then the stream's leader is asked.
 */

import type { Position, StreamId, Version } from '../../../proto/ids.ts';
import type { LogRecord } from '../event-log.ts';
import { errorCode } from './jetstream-answer.ts';
import { Names } from './names.ts';
import { headerValue, parseRecordHeader, type RecordHeader } from './record-header.ts';
import type { Reply, Requests } from './requests.ts';

export type Reading = 'direct' | 'leader';

/** A message of a stream; undefined where there is none. */
export interface Stored {
  readonly seq: number;
  readonly subject: string;
  readonly header: string;
  /** Lies in the socket's buffer: who keeps it, copies it. */
  readonly body: Buffer;
}

/** A record, or the head that is left of trimmed ones (count 0). */
export interface StoredRecord extends RecordHeader {
  readonly stream: StreamId;
  readonly seq: number;
  readonly body: Buffer;
}

type Found<T> = (found: T | undefined) => void;
type Failed = (error: Error) => void;

export class StoredMessages {
  constructor(
    private readonly requests: Requests,
    readonly stream: string,
    private readonly reading: Reading,
  ) {}

  last(subject: string): Promise<Stored | undefined> {
    return new Promise((resolve, reject) => this.putLast(subject, resolve, reject));
  }

  /** As {@link last}; `found` is called in the turn in which the answer is read, before any message behind it. */
  putLast(subject: string, found: Found<Stored>, failed: Failed): void {
    if (this.reading === 'leader') this.#put(JSON.stringify({ last_by_subj: subject }), found, failed);
    else this.#put('', found, failed, `.${subject}`);
  }

  at(seq: number): Promise<Stored | undefined> {
    return new Promise((resolve, reject) => this.#put(`{"seq":${seq}}`, resolve, reject));
  }

  /** The first message of the subject (it may have wildcards) whose sequence is `seq` or higher. */
  next(subject: string, seq: number): Promise<Stored | undefined> {
    const question = JSON.stringify({ seq: Math.max(1, seq), next_by_subj: subject });
    return new Promise((resolve, reject) => this.#put(question, resolve, reject));
  }

  #put(question: string, found: Found<Stored>, failed: Failed, more = ''): void {
    const isDirect = this.reading === 'direct';
    const api = isDirect ? `$JS.API.DIRECT.GET.${this.stream}${more}` : `$JS.API.STREAM.MSG.GET.${this.stream}`;
    this.requests.put({
      subject: api,
      body: Buffer.from(question),
      resolve: (reply) => {
        try {
          found(isDirect ? direct(reply) : fromLeader(reply));
        } catch (error) {
          failed(error as Error);
        }
      },
      reject: failed,
    });
  }
}

function direct({ status, header, body }: Reply): Stored | undefined {
  if (status === 404) return undefined;
  if (status !== 0) throw new Error(`JetStream answered ${header.split('\r\n')[0]} to a direct get`);
  const seq = Number(headerValue(header, 'Nats-Sequence'));
  return { seq, subject: headerValue(header, 'Nats-Subject') ?? '', header, body };
}

function fromLeader({ body }: Reply): Stored | undefined {
  const answer = JSON.parse(body.toString()) as {
    message?: { subject: string; seq: number; hdrs?: string; data?: string };
    error?: { err_code: number; description: string };
  };
  if (answer.error?.err_code === errorCode.noMessageFound) return undefined;
  if (answer.message === undefined)
    throw new Error(`JetStream refused to read a message: ${answer.error?.description}`);
  const { subject, seq, hdrs = '', data = '' } = answer.message;
  return { seq, subject, header: Buffer.from(hdrs, 'base64').toString('latin1'), body: Buffer.from(data, 'base64') };
}

/** Undefined: no record of ours. */
export function recordOf({ seq, subject, header, body }: Stored): StoredRecord | undefined {
  const parsed = parseRecordHeader(header);
  const stream = Names.streamOf(subject);
  return parsed === undefined || stream === undefined ? undefined : { ...parsed, stream, seq, body };
}

/** For those who keep it: the bytes are a copy. */
export function logRecord(stored: StoredRecord): LogRecord {
  return {
    stream: stored.stream,
    version: stored.version as Version,
    count: stored.count,
    epoch: stored.epoch,
    position: stored.seq as Position,
    bytes: Buffer.from(stored.body),
  };
}

/** The version of the last event that is told of. */
export const headOf = ({ version, count }: Pick<RecordHeader, 'version' | 'count'>): Version =>
  (count === 0 ? version : version + count - 1) as Version;
