/** What JetStream answers to a publish and to its API, and which of its error codes mean what here. */
import { LogUnavailableError } from '../event-log.ts';

/** The answer to a publish. */
export interface PubAck {
  readonly stream?: string;
  readonly seq?: number;
  readonly duplicate?: boolean;
  readonly error?: ApiError;
}

export interface ApiError {
  readonly code: number;
  readonly err_code: number;
  readonly description: string;
}

/** JetStream said no to a question: nothing is known of what was asked. */
export class JetStreamError extends LogUnavailableError {
  constructor(
    message: string,
    readonly code: number,
  ) {
    super(message);
  }
}

export const jetStreamError = (what: string, { description, err_code }: ApiError): JetStreamError =>
  new JetStreamError(`JetStream refused ${what}: ${description} (${err_code})`, err_code);

export const errorCode = {
  streamNotFound: 10059,
  streamNameInUse: 10058,
  jetStreamNotEnabled: 10076,
  jetStreamNotEnabledForAccount: 10039,
  noMessageFound: 10037,
  sequenceNotFound: 10043,
} as const;

/** A conditional publish met another sequence than it expected. */
export const wrongLastSequence = ({ err_code }: ApiError): boolean => err_code === 10071 || err_code === 10164;

const fullCodes = new Set([
  10002, // the account's limits
  10023, // the server's limits
  10028, // memory
  10047, // storage
]);
const tooLargeCodes = new Set([
  10054, // larger than the stream takes
  10097, // header too large
]);
const storeFailed = 10077;

/** Why a publish was surely not stored; undefined: that is not certain (a failing disk, a cluster between two leaders). */
export function refusal({ err_code, description }: ApiError): 'full' | 'too_large' | undefined {
  if (fullCodes.has(err_code) || (err_code === storeFailed && /^maximum (bytes|messages)/.test(description)))
    return 'full';
  return tooLargeCodes.has(err_code) ? 'too_large' : undefined;
}

/** What the answer to an append comes to. */
export type AppendAnswer =
  | { readonly kind: 'stored'; readonly seq: number }
  /** The stream's last message is another one than was expected. */
  | { readonly kind: 'moved' }
  | { readonly kind: 'refused'; readonly reason: 'full' | 'too_large'; readonly message: string }
  /** Nobody listened: surely not stored, this time. */
  | { readonly kind: 'unheard' }
  | { readonly kind: 'unsure'; readonly message: string };

export function appendAnswer(data: Uint8Array): AppendAnswer {
  if (data.byteLength === 0) return { kind: 'unheard' };
  const text = Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('latin1');
  const { error, seq = 0 } = JSON.parse(text) as PubAck;
  if (error === undefined) return { kind: 'stored', seq };
  if (wrongLastSequence(error)) return { kind: 'moved' };
  const reason = refusal(error);
  const message = `JetStream: ${error.description} (${error.err_code})`;
  return reason === undefined ? { kind: 'unsure', message } : { kind: 'refused', reason, message };
}
