/** Every fault on every profile: `npx mocha --no-config --exit dist/cluster/host/black-box/faults/faults.chaos.js`, some minutes. */
import { profiles } from '../profile-servers.ts';
import { faultSuite } from './fault-suite.ts';

for (const profile of profiles) faultSuite(profile, () => true);
