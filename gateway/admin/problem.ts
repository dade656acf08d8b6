import { type ErrorCode, errorCatalogue, isErrorCode } from '../../proto/error-code.ts';
import type { CallOutcome } from '../act/route.ts';

/** One fault of a body, by JSON Pointer. */
export interface Fault {
  readonly path: string;
  readonly message: string;
}

export interface ProblemMore {
  readonly retryMs?: number;
  readonly errors?: readonly Fault[];
  /** Further members of the problem document: `oldest` of TRIMMED, `nack` of a refused action. */
  readonly members?: Readonly<Record<string, unknown>>;
}

/** What a retryable answer asks for when nobody knows better. */
export const retryDefaultMs = 500;
/** Faults that one answer lists. */
export const faultsMax = 100;

/** A catalogued refusal on its way to the edge (HTTP or gRPC). Its message is for the caller: it shows nothing of the inside. */
export class Problem extends Error {
  override readonly name = 'Problem';
  readonly retryMs: number | undefined;

  constructor(
    readonly code: ErrorCode,
    message: string,
    readonly more: ProblemMore = {},
  ) {
    super(message);
    this.retryMs = errorCatalogue[code].retryable ? (more.retryMs ?? retryDefaultMs) : more.retryMs;
  }
}

const titles: Partial<Record<ErrorCode, string>> = {
  INVALID: 'The request is malformed',
  UNAUTHENTICATED: 'A valid token is needed',
  FORBIDDEN: 'The token does not allow this',
  NOT_FOUND: 'There is no such thing',
  HUNT_NOT_FOUND: 'There is no such hunt or join code',
  TRIMMED: 'That part of the log is archived',
  METHOD_NOT_ALLOWED: 'The path does not know this method',
  UNSUPPORTED_MEDIA: 'The media type is not supported',
  TOO_LARGE: 'The body is too large',
  WRONG_STATE: 'The present status does not allow this',
  RATE_LIMITED: 'Too many requests',
  BUSY: 'Busy: try again',
  UNAVAILABLE: 'The outcome is unknown: send the same again',
  HUNT_UNREADABLE: 'The hunt was written by a newer release, or is damaged',
  INTERNAL: 'A fault of the server',
};

export const titleOf = (code: ErrorCode): string =>
  titles[code] ?? code.charAt(0) + code.slice(1).toLowerCase().replaceAll('_', ' ');

/** The RFC 9457 document. */
export function problemBody(problem: Problem, instance: string): Record<string, unknown> {
  const { http, retryable } = errorCatalogue[problem.code];
  return {
    type: `urn:hunt:error:${problem.code}`,
    title: titleOf(problem.code),
    status: http,
    detail: problem.message,
    code: problem.code,
    retryable,
    ...(problem.retryMs === undefined ? {} : { retry_ms: problem.retryMs }),
    ...(problem.more.errors === undefined ? {} : { errors: problem.more.errors.slice(0, faultsMax) }),
    instance: `urn:hunt:request:${instance}`,
    ...problem.more.members,
  };
}

/** A refused call as a problem. What only machines of ours may see becomes what a client can act on. */
export function problemOf(outcome: Extract<CallOutcome, { ok: false }>): Problem {
  const code: ErrorCode = !isErrorCode(outcome.code)
    ? 'INTERNAL'
    : outcome.code === 'NOT_OWNER'
      ? 'BUSY'
      : outcome.code;
  const errors = faultsOf(outcome.detail?.errors);
  const members = outcome.detail === undefined || errors !== undefined ? {} : { members: { info: outcome.detail } };
  return new Problem(code, code === 'INTERNAL' ? internalMessage : outcome.message, {
    ...(outcome.retryMs === undefined ? {} : { retryMs: outcome.retryMs }),
    ...(errors === undefined ? {} : { errors }),
    ...members,
  });
}

export const internalMessage = 'a fault of the server, not of the request: quote the instance when you report it';

function faultsOf(value: unknown): Fault[] | undefined {
  if (!Array.isArray(value)) return undefined;
  const faults = value.filter(
    (one): one is Fault =>
      typeof one === 'object' && one !== null && typeof one.path === 'string' && typeof one.message === 'string',
  );
  return faults.length > 0 ? faults : undefined;
}
