/**
 * What one run is like, drawn from its seed: how many of everything, how large the limits, which faults and how often. Every
 * run is different in kind, not only in chance: small limits make the rare paths of the code common.
 */
import { Seeded } from './seeded.ts';

export const faultNames = [
  'kill node',
  'kill log',
  'kill gateway',
  'kill everything',
  'stop node',
  'stop log',
  'stop gateway',
  'power loss',
  'partition',
  'one-way cut',
  'island',
  'broken connections',
  'slow network',
  'slow disk',
  'full disk',
  'clock jump',
  'lost pages',
  'lost index',
  'hopping clients',
  'drain',
  'weights',
  'roll back',
  'freeze',
  'leave node',
  'leave gateway',
] as const;
export type FaultName = (typeof faultNames)[number];

export interface SimOptions {
  readonly seed: number;
  readonly nodes: number;
  readonly gateways: number;
  readonly hunts: number;
  readonly playersPerHunt: number;
  readonly safetyMs: number;
  /** No fault before: nodes that are young accuse nobody, so that without some peace nobody is ever removed and fenced. */
  readonly faultsFromMs: number;
  /** Whatever is asked in the liveness phase must be answered within. */
  readonly livenessMs: number;
  readonly playerPaceMs: number;
  readonly designerPaceMs: number;
  readonly inFlightMax: number;
  /** Between two faults; 0: none at all. */
  readonly faultEveryMs: number;
  readonly faults: readonly FaultName[];
  readonly network: { readonly delayUs: number; readonly strayShare: number; readonly splitShare: number };
  readonly disk: { readonly writeUs: number; readonly stallShare: number; readonly stallUs: number };
  readonly log: {
    readonly sync: 'power' | 'process';
    readonly segmentBytes: number;
    readonly indexFlushMs: number;
    readonly tailCacheBytes: number;
  };
  readonly actor: {
    readonly pageMembersMax: number;
    readonly idleMs: number;
    readonly turnCommandsMax: number;
    readonly mailboxCommandsMax: number;
  };
  readonly runtime: {
    readonly pipelineAppendsMax: number;
    readonly dirtyMs: number;
    readonly tailEventsMax: number;
    readonly heardMs: number;
    readonly agendaSaveMs: number;
    readonly activationBytesMax: number;
  };
  readonly hotSubscribers: number;
  /** As page stores may, pages are saved one by one, so long apart: a crash in the middle leaves a prefix. Undefined: together. */
  readonly pageApartMs: number | undefined;
  /** Pages of a node that always stay in memory; beyond, the store has them. */
  readonly residentPagesMin: number;
}

/** All together they do not ask for more than so much: another seed tells more than more of the same. */
const msPerPlayer = 10;

/** Longer than an accuser's youth (cluster/limits.ts). */
const peaceMs = 10_500;

export function drawOptions(seed: number): SimOptions {
  const chance = new Seeded(seed, 'options');
  const isCalm = chance.chance(0.03);
  // Many rows, so that pages come and go.
  const isCrowd = chance.chance(0.12);
  const nodes = chance.pick([1, 2, 3, 3, 4]);
  const hunts = chance.within(1, 4);
  const playersPerHunt = isCrowd ? 16 : chance.within(2, 6);
  const faultsFromMs = chance.chance(0.25) ? peaceMs : 0;
  const pace = isCrowd ? 700 : faultsFromMs > 0 ? 500 : chance.pick([80, 200, 400]);
  // A handful of kinds of fault a run: all together they only ever show the first.
  const drawn = chance.shuffled(faultNames).slice(0, chance.within(2, 8));
  const faults =
    faultsFromMs === 0 ? drawn : [...new Set([chance.pick(['island', 'stop node'] as const), ...drawn.slice(0, 3)])];
  return {
    seed,
    nodes,
    gateways: chance.pick([1, 2, 2, 3]),
    hunts,
    playersPerHunt,
    safetyMs: faultsFromMs + chance.within(8_000, 14_000),
    faultsFromMs,
    livenessMs: 25_000,
    playerPaceMs: Math.max(pace, hunts * playersPerHunt * msPerPlayer),
    designerPaceMs: chance.pick([120, 300, 900]),
    inFlightMax: chance.pick([1, 3, 8]),
    faultEveryMs: isCalm ? 0 : chance.pick([300, 900, 1_800]),
    faults,
    network: {
      delayUs: chance.pick([60, 200, 1_500]),
      strayShare: chance.pick([0, 0.001, 0.02]),
      splitShare: chance.pick([0, 0.02, 0.2]),
    },
    disk: {
      writeUs: chance.pick([150, 600, 3_000]),
      stallShare: chance.pick([0, 0.001, 0.01]),
      stallUs: chance.pick([30_000, 400_000]),
    },
    log: {
      sync: chance.chance(0.85) ? 'power' : 'process',
      segmentBytes: chance.pick([16, 32, 64]) * 1024,
      indexFlushMs: chance.pick([150, 1_000, 4_000]),
      tailCacheBytes: chance.pick([0, 4_096, 1_000_000]),
    },
    actor: {
      pageMembersMax: chance.pick([1, 2, 4, 128]),
      idleMs: chance.pick([150, 600, 3_000, 60_000]),
      turnCommandsMax: chance.pick([1, 3, 256]),
      mailboxCommandsMax: chance.pick([3, 4_096]),
    },
    runtime: {
      pipelineAppendsMax: chance.pick([1, 2, 8]),
      dirtyMs: chance.pick([100, 1_000, 20_000]),
      tailEventsMax: chance.pick([2, 20, 3_000]),
      heardMs: 1_000,
      agendaSaveMs: chance.pick([1_000, 20_000]),
      activationBytesMax: chance.pick([1, 512 * 1024 * 1024]),
    },
    hotSubscribers: chance.pick([2, 1_000]),
    pageApartMs: chance.pick([undefined, undefined, 15, 120]),
    // Some of a node's rows do not fit; with much less room each of them would drive the next one out.
    residentPagesMin: Math.max(16, Math.round((hunts * playersPerHunt * chance.pick([0.8, 2])) / nodes)),
  };
}
