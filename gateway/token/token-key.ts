import type { JWK } from 'jose';
import { z } from 'zod';

/** Bytes of an HS256 key, before encoding. */
export const tokenKeyBytes = 32;

/** Thrown while the configuration is read: the process ends with exit code 2. */
export class TokenKeyError extends Error {
  override readonly name = 'TokenKeyError';
}

/** The HS256 key out of HUNT_TOKEN_KEY or a key file: 32 bytes, base64url, padded or not. */
export function parseTokenKey(text: string): Uint8Array {
  const trimmed = text.trim().replace(/=$/, '');
  const key = /^[A-Za-z0-9_-]+$/.test(trimmed) ? Buffer.from(trimmed, 'base64url') : Buffer.alloc(0);
  if (key.length !== tokenKeyBytes) {
    throw new TokenKeyError(
      `the token key must be ${tokenKeyBytes} bytes in base64url (43 characters): make one with "openssl rand -base64 32 | tr '+/' '-_' | tr -d '='"`,
    );
  }
  return new Uint8Array(key);
}

export const keySetAlgorithms = ['EdDSA', 'RS256'] as const;
export type KeySetAlgorithm = (typeof keySetAlgorithms)[number];

/** The public keys that verify, and the first private one, if the file has any, that signs. */
export interface KeySet {
  readonly verify: { readonly keys: JWK[] };
  readonly sign: { readonly jwk: JWK; readonly algorithm: KeySetAlgorithm } | undefined;
}

const jwkSchema = z.looseObject({
  kty: z.string(),
  crv: z.string().optional(),
  alg: z.string().optional(),
  kid: z.string().optional(),
});
const keySetSchema = z.object({ keys: z.array(jwkSchema).min(1).max(32) });
const privateMembers = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth'];

/**
 * The keys of a JWKS file. Only Ed25519 and RSA keys count: a symmetric key in there would let whoever may read the
 * public set sign tokens.
 */
export function parseKeySet(text: string): KeySet {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw new TokenKeyError('the JWKS file is not JSON');
  }
  const parsed = keySetSchema.safeParse(json);
  if (!parsed.success) throw new TokenKeyError('the JWKS file must be {"keys": [...]} with 1 to 32 keys');
  const verify: JWK[] = [];
  let sign: KeySet['sign'];
  for (const jwk of parsed.data.keys) {
    const algorithm = algorithmOf(jwk);
    const open = Object.fromEntries(Object.entries(jwk).filter(([member]) => !privateMembers.includes(member)));
    verify.push({ ...open, kty: jwk.kty, alg: algorithm, use: 'sig', key_ops: ['verify'] });
    if (typeof jwk.d === 'string')
      sign ??= { jwk: { ...jwk, kty: jwk.kty, alg: algorithm, key_ops: ['sign'] } as JWK, algorithm };
  }
  return { verify: { keys: verify }, sign };
}

function algorithmOf(jwk: z.infer<typeof jwkSchema>): KeySetAlgorithm {
  if (jwk.kty === 'OKP' && jwk.crv === 'Ed25519' && (jwk.alg ?? 'EdDSA') === 'EdDSA') return 'EdDSA';
  if (jwk.kty === 'RSA' && (jwk.alg ?? 'RS256') === 'RS256') return 'RS256';
  throw new TokenKeyError(
    `the JWKS file has a key of type ${JSON.stringify(jwk.kty)}${jwk.alg ? ` for ${JSON.stringify(jwk.alg)}` : ''}: only Ed25519 (EdDSA) and RSA (RS256) keys are possible`,
  );
}
