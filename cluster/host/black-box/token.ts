/** Tokens as a stranger with the key file mints them (PROTOCOL.md), good ones and every kind of bad one. */
import { createHmac } from 'node:crypto';
import { systemClock } from '../../../runtime/kernel/clock.ts';

export interface Claims {
  readonly sub: string;
  readonly role: string;
  readonly hunt?: number | readonly number[] | '*';
  readonly [claim: string]: unknown;
}

const base64url = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
const dayS = 86_400;

/** Claims of a good token; override any of them. `undefined` takes one away. */
export function mint(key: Buffer, claims: Claims, header: object = { alg: 'HS256', typ: 'JWT' }): string {
  const nowS = Math.floor(systemClock.now() / 1000);
  const body = `${base64url(header)}.${base64url({ iss: 'hunt', aud: 'hunt', iat: nowS, exp: nowS + dayS, ...claims })}`;
  return `${body}.${createHmac('sha256', key).update(body).digest('base64url')}`;
}

/** Tokens that no server may accept, by what is wrong with them. */
export function badTokens(key: Buffer, good: Claims): Readonly<Record<string, string>> {
  const nowS = Math.floor(systemClock.now() / 1000);
  const token = mint(key, good);
  const [head, body, signature] = token.split('.') as [string, string, string];
  const unsigned = `${base64url({ alg: 'none', typ: 'JWT' })}.${body}`;
  return {
    empty: '',
    'not a token': 'hello',
    'two parts': `${head}.${body}`,
    'cut signature': token.slice(0, -4),
    'alg none': `${unsigned}.`,
    'alg none with a signature': `${unsigned}.${signature}`,
    'another algorithm': mint(key, good, { alg: 'HS512', typ: 'JWT' }),
    'another key': mint(Buffer.alloc(32, 7), good),
    expired: mint(key, { ...good, exp: nowS - 120 }),
    'without exp': mint(key, { ...good, exp: undefined }),
    'another issuer': mint(key, { ...good, iss: 'someone' }),
    'another audience': mint(key, { ...good, aud: 'someone' }),
    'not yet valid': mint(key, { ...good, nbf: nowS + 3600 }),
    'unknown role': mint(key, { ...good, role: 'emperor' }),
    'without sub': mint(key, { ...good, sub: undefined as unknown as string }),
    'sub that is no id': mint(key, { ...good, sub: '@admin' }),
    'player without hunt': mint(key, { ...good, role: 'player', hunt: undefined as unknown as number }),
    'changed payload': `${head}.${base64url({ iss: 'hunt', aud: 'hunt', iat: nowS, exp: nowS + dayS, sub: 'root', role: 'operator' })}.${signature}`,
    huge: `${head}.${base64url({ ...good, name: 'x'.repeat(9_000) })}.${signature}`,
  };
}
