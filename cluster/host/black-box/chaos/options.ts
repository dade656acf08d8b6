/** What one run is like, drawn from its seed, and the faults of it: all of them, in order, before anything begins. */
import { Seeded } from '../../../simulation/seeded.ts';
import type { WorkloadOptions } from '../../../simulation/workload.ts';
import type { Profile } from '../profile-servers.ts';
import { drawPlan, type Fault, type FaultName, faultsOf } from './plan.ts';

export interface ChaosOptions extends WorkloadOptions {
  readonly profile: Profile;
  readonly seed: number;
  readonly nodes: number;
  readonly gateways: number;
  /** Kinds of fault that were chosen; each must happen. */
  readonly kinds: readonly FaultName[];
  readonly plan: readonly Fault[];
}

export interface Wishes {
  readonly seconds: number;
  readonly nodes: number;
  readonly gateways: number;
  /** Chosen from these alone; undefined: from all that the profile has. */
  readonly only: readonly FaultName[] | undefined;
  readonly except: readonly FaultName[];
}

export const wishesDefault: Wishes = { seconds: 60, nodes: 3, gateways: 2, only: undefined, except: [] };

/** Of these a run has so many kinds: all together they would only ever show the first. */
const kindsOfARun = { least: 7, most: 12 } as const;

export function drawOptions(profile: Profile, seed: number, wishes: Wishes = wishesDefault): ChaosOptions {
  const { nodes, gateways, seconds, only, except } = wishes;
  const chance = new Seeded(seed, `chaos ${profile}`);
  const safetyMs = seconds * 1_000;
  const isCrowd = chance.chance(0.2);
  const faultEveryMs = chance.pick([700, 1_200, 2_000]);
  const chosen = chance.shuffled(faultsOf(profile)).filter((name) => only === undefined || only.includes(name));
  const kinds = chosen
    .slice(0, chance.within(kindsOfARun.least, kindsOfARun.most))
    .filter((name) => !except.includes(name));
  return {
    profile,
    seed,
    nodes,
    gateways,
    hunts: chance.within(3, 5),
    playersPerHunt: isCrowd ? 12 : chance.within(3, 6),
    playerPaceMs: isCrowd ? 600 : chance.pick([120, 200, 400]),
    designerPaceMs: chance.pick([250, 600, 1_200]),
    inFlightMax: chance.pick([1, 3, 8]),
    safetyMs,
    kinds,
    plan: drawPlan(chance.fork('plan'), { profile, nodes, gateways, kinds, safetyMs, faultEveryMs }),
  };
}
