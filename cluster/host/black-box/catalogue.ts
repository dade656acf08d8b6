/** The error table of PROTOCOL.md, written down a second time, so that the server's own table is judged by another's reading. */
interface Row {
  readonly http: number;
  readonly grpc: string;
  readonly retryable: boolean;
}

const rows = (codes: string, http: number, grpc: string, retryable = false): [string, Row][] =>
  codes.split(' ').map((code) => [code, { http, grpc, retryable }]);

export const catalogue: ReadonlyMap<string, Row> = new Map([
  ...rows('INVALID', 400, 'INVALID_ARGUMENT'),
  ...rows('UNAUTHENTICATED', 401, 'UNAUTHENTICATED'),
  ...rows('FORBIDDEN DISQUALIFIED', 403, 'PERMISSION_DENIED'),
  ...rows('NOT_FOUND HUNT_NOT_FOUND', 404, 'NOT_FOUND'),
  ...rows('TRIMMED', 410, 'OUT_OF_RANGE'),
  ...rows('METHOD_NOT_ALLOWED', 405, 'UNIMPLEMENTED'),
  ...rows('UNSUPPORTED_MEDIA', 415, 'INVALID_ARGUMENT'),
  ...rows('TOO_LARGE', 413, 'RESOURCE_EXHAUSTED'),
  ...rows(
    'WRONG_STATE HUNT_NOT_OPEN HUNT_FULL TEAM_FULL NO_TEAM NOT_JOINED FINISHED TIME_UP COOLDOWN',
    409,
    'FAILED_PRECONDITION',
  ),
  ...rows('STAGE_LOCKED ALREADY_DONE ALREADY_CLAIMED NOT_ALLOWED NO_ATTEMPTS NO_HINTS', 409, 'FAILED_PRECONDITION'),
  ...rows('LOW_ACCURACY OUT_OF_RANGE TOO_FAST WRONG_ANSWER WRONG_CODE OUT_OF_STOCK', 409, 'FAILED_PRECONDITION'),
  ...rows('VIEW_CHANGED SEQ_CONFLICT', 409, 'ABORTED'),
  ...rows('SEQ_STALE', 409, 'OUT_OF_RANGE'),
  ...rows('RATE_LIMITED', 429, 'RESOURCE_EXHAUSTED', true),
  ...rows('BUSY UNAVAILABLE', 503, 'UNAVAILABLE', true),
  ...rows('NOT_OWNER', 421, 'ABORTED', true),
  ...rows('HUNT_UNREADABLE', 500, 'DATA_LOSS'),
  ...rows('INTERNAL', 500, 'INTERNAL'),
]);

export const closeCodes: ReadonlySet<number> = new Set([
  1000, 1001, 1002, 1007, 1009, 4000, 4001, 4002, 4003, 4100, 4101, 4102, 4103, 4200, 4201, 4202, 4203, 4204,
]);

/** Text that only somebody who wrote the server could use. */
const internals =
  /\bat \S+ \(.*:\d+:\d+\)|node_modules|\.ts:\d|TypeError|ReferenceError|SyntaxError|RangeError|ECONN|ENOENT|is not a function|of undefined|\[object /;
const sentenceCharsMin = 12;

interface Refusal {
  readonly code?: unknown;
  readonly message?: unknown;
  readonly detail?: unknown;
  readonly retryable?: unknown;
}

/** What is wrong with one refusal (a nack, an err, a problem+json body). */
export function refusalFaults(refusal: Refusal): string[] {
  const row = catalogue.get(String(refusal.code));
  if (row === undefined) return [`the code ${JSON.stringify(refusal.code)} is not in the catalogue`];
  const faults: string[] = [];
  if (refusal.code === 'INTERNAL') faults.push('INTERNAL is a bug, not an answer');
  const sentence = refusal.message ?? refusal.detail;
  if (typeof sentence !== 'string' || sentence.length < sentenceCharsMin)
    faults.push(`${refusal.code}: no sentence that helps, but ${JSON.stringify(sentence)}`);
  else if (internals.test(sentence))
    faults.push(`${refusal.code}: the sentence shows internals: ${sentence.slice(0, 160)}`);
  if (refusal.retryable !== undefined && refusal.retryable !== row.retryable)
    faults.push(`${refusal.code}: retryable is ${refusal.retryable}`);
  return faults;
}

/** The same for a whole HTTP answer (RFC 9457). */
export function problemFaults(answer: {
  readonly status: number;
  readonly headers: NodeJS.Dict<string | string[]>;
  readonly json: unknown;
}): string[] {
  const problem = answer.json as
    | (Refusal & { status?: unknown; type?: unknown; title?: unknown; instance?: unknown })
    | undefined;
  if (problem === undefined || problem === null || typeof problem !== 'object')
    return [`status ${answer.status} without a JSON body`];
  const faults = refusalFaults(problem);
  const row = catalogue.get(String(problem.code));
  if (row !== undefined && row.http !== answer.status) faults.push(`${problem.code} with status ${answer.status}`);
  if (problem.status !== answer.status)
    faults.push(`the body says status ${problem.status}, the answer ${answer.status}`);
  if (problem.type !== `urn:hunt:error:${problem.code}`) faults.push(`type is ${problem.type}`);
  if (typeof problem.title !== 'string') faults.push('no title');
  if (typeof problem.retryable !== 'boolean') faults.push('no retryable');
  if (!String(answer.headers['content-type']).startsWith('application/problem+json'))
    faults.push(`content-type is ${answer.headers['content-type']}`);
  return faults;
}
