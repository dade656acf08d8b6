/**
 * The closed catalogue of errors: code, HTTP status, gRPC status, and whether software may send the same command with
 * the same seq again. Codes are stable: none is renamed or given another meaning.
 */
const row = <H extends number, G extends string, R extends boolean>(http: H, grpc: G, retryable: R) => ({
  http,
  grpc,
  retryable,
});
const refused = row(409, 'FAILED_PRECONDITION', false);

export const errorCatalogue = {
  INVALID: row(400, 'INVALID_ARGUMENT', false),
  UNAUTHENTICATED: row(401, 'UNAUTHENTICATED', false),
  FORBIDDEN: row(403, 'PERMISSION_DENIED', false),
  NOT_FOUND: row(404, 'NOT_FOUND', false),
  HUNT_NOT_FOUND: row(404, 'NOT_FOUND', false),
  TRIMMED: row(410, 'OUT_OF_RANGE', false),
  METHOD_NOT_ALLOWED: row(405, 'UNIMPLEMENTED', false),
  UNSUPPORTED_MEDIA: row(415, 'INVALID_ARGUMENT', false),
  TOO_LARGE: row(413, 'RESOURCE_EXHAUSTED', false),
  WRONG_STATE: refused,
  VIEW_CHANGED: row(409, 'ABORTED', false),
  HUNT_NOT_OPEN: refused,
  HUNT_FULL: refused,
  TEAM_FULL: refused,
  NO_TEAM: refused,
  NOT_JOINED: refused,
  FINISHED: refused,
  TIME_UP: refused,
  DISQUALIFIED: row(403, 'PERMISSION_DENIED', false),
  COOLDOWN: refused,
  STAGE_LOCKED: refused,
  ALREADY_DONE: refused,
  ALREADY_CLAIMED: refused,
  NOT_ALLOWED: refused,
  NO_ATTEMPTS: refused,
  NO_HINTS: refused,
  LOW_ACCURACY: refused,
  OUT_OF_RANGE: refused,
  TOO_FAST: refused,
  WRONG_ANSWER: refused,
  WRONG_CODE: refused,
  OUT_OF_STOCK: refused,
  SEQ_CONFLICT: row(409, 'ABORTED', false),
  SEQ_STALE: row(409, 'OUT_OF_RANGE', false),
  RATE_LIMITED: row(429, 'RESOURCE_EXHAUSTED', true),
  BUSY: row(503, 'UNAVAILABLE', true),
  UNAVAILABLE: row(503, 'UNAVAILABLE', true),
  NOT_OWNER: row(421, 'ABORTED', true),
  HUNT_UNREADABLE: row(500, 'DATA_LOSS', false),
  INTERNAL: row(500, 'INTERNAL', false),
} as const;

export type ErrorCode = keyof typeof errorCatalogue;

export const isErrorCode = (code: string): code is ErrorCode => Object.hasOwn(errorCatalogue, code);
export const isRetryable = (code: ErrorCode): boolean => errorCatalogue[code].retryable;
