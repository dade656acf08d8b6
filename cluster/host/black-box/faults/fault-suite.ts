/** Every strike of a profile on one bed, one after the other under one load; the verdict comes at the end. Test code. */
import { type Profile, requireProfile } from '../profile-servers.ts';
import { FaultBed } from './bed.ts';
import { type Strike, strikes } from './strikes.ts';

const bedMs = 120_000;
const strikeMs = 180_000;

export function faultSuite(profile: Profile, which: (strike: Strike) => boolean): void {
  describe(`faults under load, profile ${profile}`, function () {
    this.timeout(strikeMs);
    let bed: FaultBed | undefined;
    const there = (): FaultBed => {
      if (bed === undefined) throw new Error('there is no bed');
      return bed;
    };
    before(async function () {
      requireProfile(this, profile, profile === 'embedded' ? ['postgres'] : ['postgres', 'redis']);
      this.timeout(bedMs);
      bed = await FaultBed.make(profile);
    });
    after(() => bed?.close());

    for (const strike of strikes) {
      if (!strike.profiles.includes(profile) || !which(strike)) continue;
      it(strike.name, async () => {
        await there().calm();
        await strike.run(there());
      });
    }

    it('nothing was lost, doubled or left out, no bell failed, and the rows say what the log says', () =>
      there().judge());
  });
}
