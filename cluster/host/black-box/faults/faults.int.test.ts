import { profiles } from '../profile-servers.ts';
import { faultSuite } from './fault-suite.ts';

for (const profile of profiles) faultSuite(profile, (strike) => strike.brief);
