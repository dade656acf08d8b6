/**
 * Strikes as tests. Suites of one profile share a bed, which is made by the first of them and ends with the last. Test code.
 */
import assert from 'node:assert/strict';
import { type Profile, requireProfile } from '../profile-servers.ts';
import { FaultBed } from './bed.ts';
import { lenient } from './latency.ts';
import { compareWithScratch } from './scratch-projection.ts';
import type { Strike } from './strike.ts';
import { runTrial } from './trial.ts';

/** With what a machine does that makes Kafka's class archive first. */
const bedMsMax = 120_000;
const trialMsMax = 120_000;
const calmActs = 3;

const beds = new Map<Profile, { bed?: Promise<FaultBed>; users: number }>();

function placeOf(profile: Profile): { bed?: Promise<FaultBed>; users: number } {
  const place = beds.get(profile) ?? { users: 0 };
  beds.set(profile, place);
  return place;
}

export interface SuiteOptions {
  /** At the end: what is in PostgreSQL against what a projector makes from the log's beginning. */
  readonly compareRows?: boolean;
}

/** Of those strikes the ones that are brief on that profile. */
export function faultSuite(
  what: string,
  profile: Profile,
  strikes: readonly Strike[],
  options: SuiteOptions = {},
): void {
  const brief = strikes.filter((strike) => strike.brief?.includes(profile) === true);
  const place = placeOf(profile);
  place.users++;

  describe(`${what} fails under load, profile ${profile}`, function () {
    this.timeout(trialMsMax);
    let bed: FaultBed;
    before(async function () {
      requireProfile(this, profile, profile === 'embedded' ? ['postgres'] : ['postgres', 'redis']);
      this.timeout(bedMsMax);
      place.bed ??= FaultBed.make(profile);
      bed = await place.bed;
    });
    after(async () => {
      place.users--;
      if (place.users === 0) await (await place.bed?.catch(() => undefined))?.close();
    });

    for (const strike of brief)
      it(`${strike.name}: nothing is lost, doubled or left out${strike.play === 'unnoticed' ? ', and nobody notices' : ''}`, async () => {
        const { violations } = await runTrial(bed, strike, { tolerance: lenient, calmActs });
        assert.equal(violations.length, 0, violations.join('\n'));
      });

    if (options.compareRows === true)
      it('what lived through it is what a projector makes from the beginning of the log', async () => {
        await bed.crowd.rest();
        assert.ok((await compareWithScratch(bed)) > bed.hunts.length);
      });
  });
}
