import { z } from 'zod';
import type { HuntClaim, Role } from '../../../gateway/token/claims.ts';
import { Tokens } from '../../../gateway/token/tokens.ts';
import { idPattern } from '../../../proto/ids.ts';
import { systemClock } from '../../../runtime/kernel/clock.ts';
import { systemRandom } from '../../../runtime/kernel/random.ts';
import { readTokenKeys } from '../../host/secrets.ts';
import { duration } from '../duration.ts';
import { UsageError } from '../exit-code.ts';
import type { OutputFlags } from '../output.ts';
import { Target, type TargetFlags } from '../target.ts';

const roles: readonly string[] = ['player', 'designer', 'operator'];
const playerIdBytes = 6;

export async function token(
  flags: TargetFlags & OutputFlags & { role: string; sub?: string; hunt?: string; name?: string; ttl: string },
): Promise<void> {
  if (!roles.includes(flags.role)) throw new UsageError(`--role ${flags.role} is none: give ${roles.join(', ')}`);
  const role = flags.role as Role;
  const hunt = huntClaim(role, flags.hunt);
  const sub = flags.sub ?? (role === 'player' ? `p-${systemRandom.token(playerIdBytes)}` : role);
  if (!idPattern.test(sub)) throw new UsageError(`--sub must be 1 to 64 characters of A-Z a-z 0-9 _ . : -`);
  const tokens = new Tokens(systemClock, systemRandom, readTokenKeys(new Target(flags).config));
  if (!tokens.mints)
    throw new UsageError('the key set has public keys only: give a private one, HUNT_TOKEN_KEY or HUNT_TOKEN_KEY_FILE');
  const minted = await tokens.mintToken({
    sub,
    role,
    expiresAt: systemClock.now() + duration(flags.ttl, '--ttl'),
    ...(hunt === undefined ? {} : { hunt }),
    ...(flags.name === undefined ? {} : { name: flags.name }),
  });
  process.stdout.write(`${flags.json ? JSON.stringify(minted) : minted}\n`);
}

const huntIds = z.array(z.int().positive()).min(1).max(100);

function huntClaim(role: Role, text: string | undefined): HuntClaim | undefined {
  if (role !== 'player') {
    if (text !== undefined) throw new UsageError(`--hunt is for players: a ${role}'s rights do not hang on it`);
    return undefined;
  }
  if (text === undefined)
    throw new UsageError("--hunt is missing: a player's token names its hunt, several with commas, or '*'");
  if (text === '*') return '*';
  const ids = huntIds.safeParse(text.split(',').map(Number));
  if (!ids.success) throw new UsageError(`--hunt ${text}: give 1 to 100 hunt numbers with commas between, or '*'`);
  return ids.data.length === 1 ? (ids.data[0] as number) : ids.data;
}
