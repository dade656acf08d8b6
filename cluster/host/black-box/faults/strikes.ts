/** All strikes, those of the log last: the others find a bed on which little has happened yet. */
import type { Profile } from '../profile-servers.ts';
import { logStrikes } from './log-strikes.ts';
import { redisStrikes } from './redis-strikes.ts';
import { storeStrikes } from './store-strikes.ts';
import type { Strike } from './strike.ts';

export const strikesOf = (profile: Profile): readonly Strike[] =>
  [...storeStrikes, ...redisStrikes, ...logStrikes].filter(({ profiles }) => profiles.includes(profile));
