import type { ErrorCode } from '../../proto/error-code.ts';

/** What can go wrong on this side of the wire, beside the server's catalogue. */
export type ClientErrorCode =
  /** No answer from the server at all: wrong address, not running, or the line is cut. */
  | 'UNREACHABLE'
  /** This client or session was closed, by us or for good by the server; the outcome of what was unanswered is unknown. */
  | 'CLOSED';

export interface HuntErrorFields {
  retryable?: boolean;
  retryMs?: number;
  /** The HTTP status, when an HTTP answer brought it. */
  status?: number;
  errors?: readonly { path: string; message: string }[];
  instance?: string;
  closeCode?: number;
}

/** An error with a stable code. `retryable`: software may send the same again unchanged after `retryMs`. */
export class HuntError extends Error {
  override readonly name = 'HuntError';
  readonly retryable: boolean;
  readonly retryMs: number | undefined;
  readonly status: number | undefined;
  readonly errors: readonly { path: string; message: string }[];
  readonly instance: string | undefined;
  readonly closeCode: number | undefined;

  constructor(
    /** Of the catalogue, {@link ClientErrorCode}, or one that a newer server knows. */
    readonly code: ErrorCode | ClientErrorCode | (string & {}),
    message: string,
    fields: HuntErrorFields = {},
  ) {
    super(message);
    this.retryable = fields.retryable ?? false;
    this.retryMs = fields.retryMs;
    this.status = fields.status;
    this.errors = fields.errors ?? [];
    this.instance = fields.instance;
    this.closeCode = fields.closeCode;
  }
}
