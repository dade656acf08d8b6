/** The hunts that are played in the simulation, drawn from the seed: small, and with everything that can go wrong in them. */
import type { Action } from '../host/black-box/wire.ts';
import type { Seeded } from './seeded.ts';

export interface SimHunt {
  readonly definition: Readonly<Record<string, unknown>>;
  readonly entry: 'solo' | 'team';
  readonly stages: readonly { readonly id: string; readonly way: 'answer' | 'scan' | 'check_in' }[];
  readonly treasures: readonly {
    readonly id: string;
    readonly stock: number | undefined;
    readonly perEntrant: number;
    /** Released then, by an alarm; ms since 1970. */
    readonly opensAt: number | undefined;
  }[];
  readonly opensAt: number | undefined;
  readonly closesAt: number | undefined;
}

const place = { lat: 52.51628, lon: 13.3777 };
const iso = (ms: number): string => new Date(ms).toISOString();

/** Of the run: ms since 1970, and for how long there are faults; alarms are due before and after their end. */
export interface HuntTimes {
  readonly beganAt: number;
  readonly safetyMs: number;
}

export function drawHunt(chance: Seeded, index: number, { beganAt, safetyMs }: HuntTimes): SimHunt {
  const entry = chance.chance(0.25) ? 'team' : 'solo';
  const stages = Array.from({ length: chance.within(1, 4) }, (_, i) => ({
    id: `s${i}`,
    way: chance.pick(['answer', 'answer', 'scan', 'check_in'] as const),
  }));
  const at = (share: number): number => beganAt + Math.round(safetyMs * share);
  const treasures = [
    ...Array.from({ length: chance.within(1, 3) }, (_, i) => ({
      id: `rare${i}`,
      stock: chance.within(1, 4),
      perEntrant: chance.within(1, 2),
      opensAt: undefined,
    })),
    { id: 'flower', stock: undefined, perEntrant: 0, opensAt: undefined },
    { id: 'daisy', stock: chance.within(20, 60), perEntrant: 0, opensAt: undefined },
    ...Array.from({ length: chance.within(1, 4) }, (_, i) => ({
      id: `late${i}`,
      stock: chance.chance(0.5) ? chance.within(1, 3) : undefined,
      perEntrant: 1,
      opensAt: at(0.2 + chance.next() * 0.9),
    })),
  ];
  // Most are opened by hand or long open; some are opened and closed by the clock.
  const opensAt = chance.chance(0.4) ? at(0.1 + chance.next() * 0.2) : undefined;
  const closesAt = chance.chance(0.2) ? at(0.7 + chance.next() * 0.4) : undefined;
  const definition = {
    title: `Hunt ${index}`,
    window: {
      ...(opensAt === undefined ? {} : { opens: iso(opensAt) }),
      ...(closesAt === undefined ? {} : { closes: iso(closesAt) }),
    },
    entry,
    ...(entry === 'team' ? { team: { size_max: chance.within(1, 3) } } : {}),
    order: chance.pick(['any', 'linear']),
    feed: chance.chance(0.8) ? 'all' : 'own',
    defaults: { attempts: chance.pick([0, 2, 5]), penalty: chance.pick([0, 3]), cooldown_s: chance.pick([0, 0, 1]) },
    stages: stages
      .map(({ id, way }, i) => ({
        id,
        title: `Stage ${i}`,
        points: 10 * (i + 1),
        ...(way === 'answer'
          ? {
              clues: [{ id: `c${i}`, text: 'What?', hints: [{ text: 'It is gold.', cost: 2 }, { text: 'Gold!' }] }],
              complete: { answer: { clue: `c${i}`, accept: ['gold'], match: 'exact' } },
            }
          : way === 'scan'
            ? { complete: { scan: { code: `CODE-${i}` } } }
            : { complete: { check_in: { ...place, pin: true } } }),
      }))
      .concat([
        // Nobody finds it, and it cannot be skipped: so nobody is finished early.
        { id: 'never', title: 'Never', points: 1, skip: false, complete: { scan: { code: 'NEVER' } } },
      ] as never[]),
    treasures: treasures.map(({ id, stock, perEntrant, opensAt: opens }) => ({
      id,
      title: id,
      points: 1,
      per_entrant: perEntrant,
      ...(stock === undefined ? {} : { stock }),
      ...(opens === undefined ? {} : { opens: iso(opens) }),
      ...(id.startsWith('rare') ? { first_finder_bonus: 7 } : {}),
    })),
  };
  return { definition, entry, stages, treasures, opensAt, closesAt };
}

/** What a player tries next: mostly sensible, sometimes wrong. */
export function drawAction(chance: Seeded, hunt: SimHunt, others: readonly string[]): Action {
  const stage = chance.pick(hunt.stages);
  const number = stage.id.slice(1);
  const right = chance.chance(0.4);
  const roll = chance.next();
  if (roll < 0.35) return { type: 'claim', treasure: chance.pick(hunt.treasures).id };
  if (roll < 0.55) return { type: 'claim', treasure: chance.pick(['flower', 'daisy']) };
  if (roll < 0.85) {
    if (stage.way === 'answer') return { type: 'answer', clue: `c${number}`, text: right ? 'gold' : 'lead' };
    if (stage.way === 'scan') return { type: 'scan', code: right ? `CODE-${number}` : 'CODE-X' };
    return { type: 'check_in', ...place, lat: place.lat + (right ? 0 : 1), accuracy: 5 };
  }
  if (roll < 0.9 && stage.way === 'answer') return { type: 'hint', clue: `c${number}` };
  if (roll < 0.93) return { type: 'skip', stage: stage.id };
  if (roll < 0.94) return { type: 'leave' };
  if (roll < 0.97 && hunt.entry === 'team') return { type: 'join_team', team: chance.pick(others) };
  if (roll < 0.99) return { type: 'join', name: 'Again' };
  return { type: 'claim', treasure: 'nothing' };
}
