/** JetStream's management interface, as far as it is needed here. Every call may be repeated. */
import { type ApiError, errorCode, jetStreamError } from './jetstream-answer.ts';
import type { Requests } from './requests.ts';

export interface StreamState {
  readonly messages: number;
  readonly bytes: number;
  readonly first_seq: number;
  readonly last_seq: number;
}

export interface StreamInfo {
  readonly config: Readonly<Record<string, unknown>>;
  readonly state: StreamState;
}

interface AccountLimits {
  /** -1: without limit. */
  readonly max_storage: number;
  readonly max_streams: number;
}

export interface AccountInfo {
  readonly limits: AccountLimits;
  /** Limits by number of replicas (`R1`, `R3`), where the account has them instead. */
  readonly tiers?: Readonly<Record<string, { readonly limits: AccountLimits }>>;
}

/** Purging and creating may move files. */
const slowPatienceMs = 30_000;

export class JetStreamApi {
  constructor(private readonly requests: Requests) {}

  /** `what` completes the sentence "JetStream refused ...". */
  async call<T>(what: string, path: string, body: object = {}, patienceMs?: number): Promise<T> {
    const more = patienceMs === undefined ? {} : { patienceMs };
    const reply = await this.requests.ask(`$JS.API.${path}`, Buffer.from(JSON.stringify(body)), more);
    const answer = JSON.parse(reply.body.toString()) as { error?: ApiError };
    if (answer.error !== undefined) throw jetStreamError(what, answer.error);
    return answer as T;
  }

  account(): Promise<AccountInfo> {
    return this.call('to tell about the account', 'INFO');
  }

  /** Undefined: there is no such stream. */
  async stream(name: string): Promise<StreamInfo | undefined> {
    try {
      return await this.call('to tell about a stream', `STREAM.INFO.${name}`);
    } catch (error) {
      if ((error as { code?: number }).code === errorCode.streamNotFound) return undefined;
      throw error;
    }
  }

  /** For a stream that is there. */
  async state(name: string): Promise<StreamState> {
    const info = await this.call<StreamInfo>(`to tell about stream ${name}`, `STREAM.INFO.${name}`);
    return info.state;
  }

  create(name: string, config: object): Promise<StreamInfo> {
    return this.call(`to create stream ${name}`, `STREAM.CREATE.${name}`, config, slowPatienceMs);
  }

  /** Removes what the subject holds (all below `seq`, if no subject is given). */
  async purge(name: string, what: { readonly filter: string } | { readonly seq: number }): Promise<void> {
    await this.call(`to purge stream ${name}`, `STREAM.PURGE.${name}`, what, slowPatienceMs);
  }

  /** Removes one message; no error if it is gone. */
  async remove(name: string, seq: number): Promise<void> {
    try {
      await this.call('to remove a message', `STREAM.MSG.DELETE.${name}`, { seq, no_erase: true });
    } catch (error) {
      if ((error as { code?: number }).code !== errorCode.sequenceNotFound) throw error;
    }
  }
}
