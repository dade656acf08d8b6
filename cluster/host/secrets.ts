import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseKeySet, parseTokenKey, TokenKeyError, tokenKeyBytes } from '../../gateway/token/token-key.ts';
import type { TokenKeys } from '../../gateway/token/tokens.ts';
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

/** Throws {@link ConfigError}: outside the embedded profile there is no default key. */
export function readTokenKeys(config: Config): TokenKeys {
  const path = config.tokenKey === undefined ? tokenKeyFile(config) : undefined;
  try {
    const keys = {
      ...(config.tokenJwksFile === undefined
        ? {}
        : { keySet: parseKeySet(readFileSync(config.tokenJwksFile, 'utf8')) }),
      ...(config.tokenKey !== undefined ? { key: parseTokenKey(config.tokenKey) } : {}),
      ...(path !== undefined && (config.tokenJwksFile === undefined || existsSync(path))
        ? { key: parseTokenKey(readFileSync(path, 'utf8')) }
        : {}),
    };
    return keys;
  } catch (error) {
    if (error instanceof TokenKeyError) throw new ConfigError([`${path ?? 'HUNT_TOKEN_KEY'}: ${error.message}`]);
    const code = (error as NodeJS.ErrnoException).code;
    if (code !== undefined)
      throw new ConfigError([
        `${(error as NodeJS.ErrnoException).path ?? path} cannot be read (${code}): give HUNT_TOKEN_KEY, HUNT_TOKEN_KEY_FILE or HUNT_TOKEN_JWKS_FILE`,
      ]);
    throw error;
  }
}
