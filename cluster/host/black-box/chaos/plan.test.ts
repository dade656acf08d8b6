import assert from 'node:assert/strict';
import { profiles } from '../profile-servers.ts';
import { drawOptions, wishesDefault } from './options.ts';
import { crossings, faultsOf } from './plan.ts';

const seeds = Array.from({ length: 200 }, (_, i) => i + 1);

describe('the plan of a chaos run', () => {
  it('is the same for the same seed, and another for another', () => {
    for (const profile of profiles) {
      assert.deepEqual(drawOptions(profile, 7), drawOptions(profile, 7));
      assert.notDeepEqual(drawOptions(profile, 7).plan, drawOptions(profile, 8).plan);
    }
  });

  it('holds every kind that was chosen, however short the run', () => {
    for (const profile of profiles)
      for (const seed of seeds.slice(0, 50)) {
        const { kinds, plan } = drawOptions(profile, seed, { ...wishesDefault, seconds: 5 });
        assert.deepEqual(new Set(plan.map(({ name }) => name)), new Set(kinds), `${profile}, seed ${seed}`);
      }
  });

  it('comes to every kind of fault and every way within some seeds', () => {
    for (const profile of profiles) {
      const plans = seeds.map((seed) => drawOptions(profile, seed));
      const kinds = new Set(plans.flatMap((one) => one.kinds));
      assert.deepEqual([...kinds].sort(), [...faultsOf(profile)].sort());
      const cut = new Set(
        plans
          .flatMap(({ plan }) => plan.flatMap(({ act }) => (act.do === 'cut' ? act.ways : [])))
          .map(({ bridge }) => bridge),
      );
      for (const { bridge } of crossings({ profile, nodes: 3, gateways: 2 })) assert.ok(cut.has(bridge), bridge);
    }
  });

  it('keeps the order of times, within the safety phase', () => {
    for (const seed of seeds) {
      const { plan, safetyMs } = drawOptions('kafka', seed);
      const times = plan.map(({ atMs }) => atMs);
      assert.deepEqual(
        times,
        [...times].sort((a, b) => a - b),
      );
      assert.ok(times.every((at) => at > 0 && at < safetyMs));
    }
  });
});
