import { type Config, type ConfigKey, configKeys, snake } from './config.ts';
import type { Rate } from './setting-forms.ts';

const secret: ReadonlySet<ConfigKey> = new Set(['tokenKey', 'token']);

/** The effective configuration in the file's names, secrets masked. */
export function describeConfig(config: Config): Record<string, unknown> {
  const described: Record<string, unknown> = {};
  for (const key of configKeys) {
    const value = config[key];
    described[snake(key)] = value === undefined ? null : mask(key, value);
  }
  return described;
}

/** In the largest unit that it is a whole number of. */
function shortDuration(ms: number): string {
  if (ms === 0) return '0';
  const [unit, size] = [['d', 86_400_000] as const, ['h', 3_600_000] as const, ['m', 60_000] as const].find(
    ([, size]) => ms % size === 0,
  ) ?? ['s', 1_000];
  return `${ms / size}${unit}`;
}

function mask(key: ConfigKey, value: unknown): unknown {
  if (secret.has(key)) return '***';
  if (key === 'logKeep') return shortDuration(value as number);
  if (Array.isArray(value)) return value.map((one) => mask(key, one));
  if (typeof value === 'object' && value !== null && 'perSecond' in value) {
    const { perSecond, burst } = value as Rate;
    return perSecond === 0 ? '0' : `${perSecond}/s:${burst}`;
  }
  if (typeof value !== 'string' || !URL.canParse(value)) return value;
  const address = new URL(value);
  if (address.password === '') return value;
  address.password = '***';
  return address.href;
}
