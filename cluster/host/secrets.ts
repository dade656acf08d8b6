import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createSecureContext } from 'node:tls';
import { parseKeySet, parseTokenKey, TokenKeyError, tokenKeyBytes } from '../../gateway/token/token-key.ts';
import { type TokenKeys, Tokens } from '../../gateway/token/tokens.ts';
import type { Clock } from '../../runtime/kernel/clock.ts';
import type { Random } from '../../runtime/kernel/random.ts';
import { type Config, ConfigError } from './config.ts';

export const tokenKeyFile = (config: Config): string => config.tokenKeyFile ?? join(config.dataDir, 'token.key');

/** Makes the data folder's key once; a key that was configured is left alone. */
export function ensureTokenKey(config: Config, random: Random): void {
  if (
    config.profile !== 'embedded' ||
    config.tokenKey !== undefined ||
    config.tokenKeyFile !== undefined ||
    config.tokenJwksFile !== undefined
  )
    return;
  const path = tokenKeyFile(config);
  if (!existsSync(path)) writeFileSync(path, `${random.token(tokenKeyBytes)}\n`, { mode: 0o600, flag: 'wx' });
}

/**
 * For who hands out tokens, as gateways do at `POST /v1/join` and `hunt up` for the console. Throws {@link ConfigError} when
 * the keys can only verify: better at the start than at the first player.
 */
export function mintingTokens(config: Config, clock: Clock, random: Random): Tokens {
  const tokens = new Tokens(clock, random, readTokenKeys(config));
  if (!tokens.mints)
    throw new ConfigError([
      `HUNT_TOKEN_JWKS_FILE ${config.tokenJwksFile} has public keys alone, with which tokens can be verified but not made: add a private key to it (a member "d"), or give HUNT_TOKEN_KEY or HUNT_TOKEN_KEY_FILE too`,
    ]);
  return tokens;
}

/** Throws {@link ConfigError}: outside the embedded profile there is no default key. */
export function readTokenKeys(config: Config): TokenKeys {
  const { tokenKey, tokenJwksFile } = config;
  const keyFile = tokenKeyFile(config);
  const keySet =
    tokenJwksFile === undefined ? undefined : parsed(tokenJwksFile, () => parseKeySet(textOf(tokenJwksFile)));
  // Beside a key set only a key that was asked for, or that this data folder has from before, counts.
  const key =
    tokenKey !== undefined
      ? parsed('HUNT_TOKEN_KEY', () => parseTokenKey(tokenKey))
      : keySet === undefined || config.tokenKeyFile !== undefined || existsSync(keyFile)
        ? parsed(keyFile, () => parseTokenKey(textOf(keyFile)))
        : undefined;
  return { ...(keySet === undefined ? {} : { keySet }), ...(key === undefined ? {} : { key }) };
}

function parsed<T>(source: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (error instanceof TokenKeyError) throw new ConfigError([`${source}: ${error.message}`]);
    throw error;
  }
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new ConfigError([
      `${path} cannot be read (${(error as NodeJS.ErrnoException).code}): give HUNT_TOKEN_KEY, HUNT_TOKEN_KEY_FILE or HUNT_TOKEN_JWKS_FILE`,
    ]);
  }
}

/** Certificate and key of HTTPS and gRPC; undefined: neither is asked for. Throws {@link ConfigError}. */
export function readTlsPair(config: Config): { cert: Buffer; key: Buffer } | undefined {
  if (config.tlsCert === undefined || config.tlsKey === undefined) return undefined;
  try {
    const pair = { cert: readFileSync(config.tlsCert), key: readFileSync(config.tlsKey) };
    createSecureContext(pair);
    return pair;
  } catch (error) {
    throw new ConfigError([
      `HUNT_TLS_CERT, HUNT_TLS_KEY: ${(error as Error).message}: name PEM files that this user may read, and that belong together`,
    ]);
  }
}
