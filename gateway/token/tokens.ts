/**
 * Tokens: verifies and mints them (PROTOCOL.md). Owns the keys and a bounded cache of tokens that were verified;
 * the cache holds no refusals, so that a flood of bad tokens cannot push out the good ones, and every hit is judged by
 * the clock again. Which role may do what is not judged here.
 */
import { createLocalJWKSet, decodeProtectedHeader, importJWK, jwtVerify, SignJWT } from 'jose';
import { LRUCache } from 'lru-cache';
import type { Clock } from '../../runtime/kernel/clock.ts';
import type { Random } from '../../runtime/kernel/random.ts';
import { type Claims, claimsOf, type HuntClaim, type Role } from './claims.ts';
import { type KeySet, keySetAlgorithms } from './token-key.ts';

/** Skew between clocks that is forgiven. */
export const skewMs = 30_000;
/** Longer ones are refused unread: 100 hunt ids fit four times. */
export const tokenCharsMax = 8_192;
export const verifiedTokensMax = 20_000;
export const verifiedCharsMax = 16 * 1024 * 1024;

export interface TokenKeys {
  /** HS256. */
  readonly key?: Uint8Array;
  /** EdDSA, RS256. */
  readonly keySet?: KeySet;
}

export interface Mint {
  readonly sub: string;
  readonly role: Role;
  readonly hunt?: HuntClaim;
  readonly name?: string;
  /** ms since 1970; whole seconds count. */
  readonly expiresAt: number;
}

export class Tokens {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #keys: TokenKeys;
  readonly #keySet: ReturnType<typeof createLocalJWKSet> | undefined;
  readonly #verified = new LRUCache<string, Claims>({
    max: verifiedTokensMax,
    maxSize: verifiedCharsMax,
    sizeCalculation: (_claims, token) => token.length,
  });

  constructor(clock: Clock, random: Random, keys: TokenKeys) {
    if (keys.key === undefined && keys.keySet === undefined)
      throw new Error('neither a token key nor a key set is given');
    this.#clock = clock;
    this.#random = random;
    this.#keys = keys;
    this.#keySet = keys.keySet && createLocalJWKSet({ keys: [...keys.keySet.verify.keys] });
  }

  /** Whether {@link mintToken} can sign: with a key set of public keys alone it cannot. */
  get mints(): boolean {
    return this.#keys.key !== undefined || this.#keys.keySet?.sign !== undefined;
  }

  /** The token's claims, or undefined for whatever is no token of ours or has expired. Never rejects. */
  async verifyToken(token: string): Promise<Claims | undefined> {
    const known = this.#verified.get(token);
    if (known !== undefined) {
      if (this.#clock.now() < known.exp + skewMs) return known;
      this.#verified.delete(token);
      return undefined;
    }
    if (token.length > tokenCharsMax) return undefined;
    const claims = await this.#verify(token);
    if (claims !== undefined) this.#verified.set(token, claims);
    return claims;
  }

  async mintToken(mint: Mint): Promise<string> {
    const { key, keySet } = this.#keys;
    const jwt = new SignJWT({
      role: mint.role,
      ...(mint.hunt === undefined ? {} : { hunt: mint.hunt }),
      ...(mint.name === undefined ? {} : { name: mint.name }),
    })
      .setIssuer('hunt')
      .setAudience('hunt')
      .setSubject(mint.sub)
      .setIssuedAt(Math.floor(this.#clock.now() / 1000))
      .setExpirationTime(Math.floor(mint.expiresAt / 1000))
      .setJti(this.#random.token(9));
    if (key !== undefined) return await jwt.setProtectedHeader({ alg: 'HS256', typ: 'JWT' }).sign(key);
    if (keySet?.sign === undefined) throw new Error('no key that signs is configured');
    const { jwk, algorithm } = keySet.sign;
    const header = { alg: algorithm, typ: 'JWT', ...(typeof jwk.kid === 'string' ? { kid: jwk.kid } : {}) };
    return await jwt.setProtectedHeader(header).sign(await importJWK(jwk, algorithm));
  }

  async #verify(token: string): Promise<Claims | undefined> {
    const checks = {
      issuer: 'hunt',
      audience: 'hunt',
      clockTolerance: skewMs / 1000,
      currentDate: new Date(this.#clock.now()),
      requiredClaims: ['sub', 'exp'],
    };
    try {
      // The algorithm chooses the key, never the other way round: a public key must not serve as an HS256 secret.
      const { alg } = decodeProtectedHeader(token);
      if (alg === 'HS256' && this.#keys.key !== undefined) {
        return claimsOf((await jwtVerify(token, this.#keys.key, { ...checks, algorithms: ['HS256'] })).payload);
      }
      if (alg !== 'HS256' && this.#keySet !== undefined) {
        return claimsOf(
          (await jwtVerify(token, this.#keySet, { ...checks, algorithms: [...keySetAlgorithms] })).payload,
        );
      }
      return undefined;
    } catch {
      return undefined;
    }
  }
}

/** The token of an `Authorization: Bearer …` header or gRPC metadata entry. */
export function bearerOf(header: string | undefined): string | undefined {
  return /^Bearer +([A-Za-z0-9_.~+/=-]+) *$/i.exec(header ?? '')?.[1];
}
