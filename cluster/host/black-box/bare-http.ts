/** HTTP as a stranger sends it: no client library, no retries, every header and byte of the body in the caller's hand. */
import { type IncomingHttpHeaders, request } from 'node:http';
import { within } from './deadline.ts';

export interface HttpAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  /** The body as JSON, undefined when it is none. */
  readonly json: unknown;
}

export interface HttpCall {
  readonly token?: string;
  /** An object is sent as JSON; text and bytes as they are. */
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

const answerWithinMs = 20_000;

export function callHttp(
  base: string,
  method: string,
  path: string,
  { token, body, headers = {} }: HttpCall = {},
): Promise<HttpAnswer> {
  const raw =
    body === undefined ? undefined : typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body);
  const all: Record<string, string> = {
    ...(token === undefined || token === '' ? {} : { authorization: `Bearer ${token}` }),
    ...(raw === undefined
      ? {}
      : { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(raw)) }),
    ...headers,
  };
  const answer = new Promise<HttpAnswer>((resolve, reject) => {
    // The path is taken as it stands: `new URL` would mend what a test breaks on purpose.
    const { hostname, port } = new URL(base);
    const outgoing = request({ hostname, port, method, path, headers: all, agent: false }, (response) => {
      const parts: Buffer[] = [];
      response.on('data', (part: Buffer) => parts.push(part));
      response.on('error', reject);
      response.on('end', () => {
        const text = Buffer.concat(parts).toString('utf8');
        resolve({ status: response.statusCode ?? 0, headers: response.headers, text, json: parsed(text) });
      });
    });
    outgoing.on('error', reject);
    outgoing.end(raw);
  });
  return within(`${method} ${path} to be answered`, answerWithinMs, answer);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
