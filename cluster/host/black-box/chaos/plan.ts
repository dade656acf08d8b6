/**
 * The faults of a run, drawn from its seed before anything begins: kinds, victims, times and lengths are data, so that one seed gives
 * the same faults in the same order however the run goes. Pure.
 */
import type { Seeded } from '../../../simulation/seeded.ts';
import type { Profile } from '../profile-servers.ts';
import type { Direction } from './bridge.ts';

/** By what is struck, and on which profiles there is such a thing. */
const everywhere: readonly Profile[] = ['embedded', 'nats', 'kafka'];
const onServers: readonly Profile[] = ['nats', 'kafka'];
const struck = {
  node: everywhere,
  gateway: everywhere,
  projector: everywhere,
  postgres: everywhere,
  log: ['embedded'],
  nats: onServers,
  kafka: ['kafka'],
  relay: ['kafka'],
  'cache redis': onServers,
  'alarm redis': onServers,
} as const satisfies Readonly<Record<string, readonly Profile[]>>;
export type Struck = keyof typeof struck;

const others = {
  'kill several': everywhere,
  'stop several': everywhere,
  'cut way': everywhere,
  'one-way cut': everywhere,
  'break off': everywhere,
  island: everywhere,
  'clients cut': everywhere,
  'full disk': ['embedded'],
  'full JetStream': onServers,
  drain: everywhere,
  move: everywhere,
  'roll back': everywhere,
  freeze: everywhere,
  'restart all': everywhere,
  'kill all': everywhere,
} as const satisfies Readonly<Record<string, readonly Profile[]>>;

export type FaultName = `kill ${Struck}` | `stop ${Struck}` | keyof typeof others;

export function faultsOf(profile: Profile): FaultName[] {
  const on = (profiles: readonly Profile[]): boolean => profiles.includes(profile);
  const names = (Object.keys(struck) as Struck[]).filter((name) => on(struck[name]));
  return [
    ...names.map((name) => `kill ${name}` as const),
    ...names.map((name) => `stop ${name}` as const),
    ...(Object.keys(others) as (keyof typeof others)[]).filter((name) => on(others[name])),
  ];
}

/** Part of the way between somebody and a server or process. */
export interface Way {
  /** Whose bridge: `log`, `n1`, `nats`, `front g1`, ... */
  readonly bridge: string;
  /** Undefined: everybody who crosses it. */
  readonly traveller: string | undefined;
}

export type Act =
  | { readonly do: 'kill'; readonly victims: readonly string[]; readonly awayMs: number }
  | { readonly do: 'stop'; readonly victims: readonly string[]; readonly forMs: number }
  | {
      readonly do: 'cut';
      readonly ways: readonly Way[];
      readonly directions: readonly Direction[];
      readonly manner: 'keep' | 'lose';
      readonly forMs: number;
    }
  | { readonly do: 'break off'; readonly ways: readonly Way[] }
  | { readonly do: 'fill'; readonly what: 'disk' | 'JetStream'; readonly forMs: number }
  | { readonly do: 'drain'; readonly node: string }
  | { readonly do: 'move'; readonly weights: Readonly<Record<string, number>>; readonly canaryS: number }
  | { readonly do: 'roll back' }
  | { readonly do: 'freeze'; readonly forS: number }
  | { readonly do: 'restart'; readonly how: 'SIGTERM' | 'SIGKILL' };

export interface Fault {
  readonly name: FaultName;
  /** From the begin of the run. */
  readonly atMs: number;
  readonly act: Act;
}

export interface PlanParts {
  readonly profile: Profile;
  readonly nodes: number;
  readonly gateways: number;
  readonly kinds: readonly FaultName[];
  readonly safetyMs: number;
  readonly faultEveryMs: number;
}

/** People begin to play. */
const calmMs = 2_000;
/** A supervisor needs a second to start what has died: later than this before the end nothing is begun. */
const lastMs = 1_000;

export function drawPlan(chance: Seeded, parts: PlanParts): Fault[] {
  const faults: Fault[] = [];
  const firsts = chance.shuffled(parts.kinds);
  // The whole cluster is restarted once a kind: little else would happen otherwise.
  const again = parts.kinds.filter((name) => name !== 'restart all' && name !== 'kill all');
  for (let atMs = calmMs; atMs < parts.safetyMs - lastMs && firsts.length + again.length > 0; ) {
    // Each kind once before any comes again.
    const name = firsts.pop() ?? chance.pick(again);
    faults.push({ name, atMs: Math.round(atMs), act: drawAct(chance, name, parts) });
    atMs += Math.min(chance.wait(parts.faultEveryMs), parts.faultEveryMs * 3);
  }
  // A short run has no room for all of them: they come together at its end.
  for (const name of firsts) faults.push({ name, atMs: parts.safetyMs - lastMs, act: drawAct(chance, name, parts) });
  return faults;
}

const list = (letter: string, count: number): string[] => Array.from({ length: count }, (_, i) => `${letter}${i + 1}`);

export function drawAct(chance: Seeded, name: FaultName, parts: PlanParts): Act {
  const nodes = list('n', parts.nodes);
  const gateways = list('g', parts.gateways);
  switch (name) {
    case 'cut way':
      return cut(chance, [drawWay(chance, parts)], ['up', 'down']);
    case 'one-way cut':
      return cut(chance, [drawWay(chance, parts)], [chance.pick(['up', 'down'])]);
    case 'break off':
      return { do: 'break off', ways: [drawWay(chance, parts)] };
    case 'island':
      return cut(chance, waysOf(chance.pick([...nodes, ...gateways]), parts), ['up', 'down']);
    case 'clients cut':
      return cut(chance, [{ bridge: `front ${chance.pick(gateways)}`, traveller: undefined }], drawDirections(chance));
    case 'kill several':
      return { do: 'kill', victims: drawSeveral(chance, parts), awayMs: drawAway(chance) };
    case 'stop several':
      return { do: 'stop', victims: drawSeveral(chance, parts), forMs: drawLength(chance) };
    case 'full disk':
      return { do: 'fill', what: 'disk', forMs: chance.pick([2_500, 5_000, 9_000]) };
    case 'full JetStream':
      return { do: 'fill', what: 'JetStream', forMs: chance.pick([1_500, 4_000]) };
    case 'drain':
      return { do: 'drain', node: chance.pick(nodes) };
    case 'move':
      return {
        do: 'move',
        weights: Object.fromEntries(nodes.map((node) => [node, chance.pick([0.5, 1, 2, 4])])),
        canaryS: chance.pick([0, 1]),
      };
    case 'roll back':
      return { do: 'roll back' };
    case 'freeze':
      return { do: 'freeze', forS: chance.within(2, 8) };
    case 'restart all':
      return { do: 'restart', how: 'SIGTERM' };
    case 'kill all':
      return { do: 'restart', how: 'SIGKILL' };
    default: {
      const [verb, ...rest] = name.split(' ');
      const victim = drawVictim(chance, rest.join(' ') as Struck, nodes, gateways);
      return verb === 'kill'
        ? { do: 'kill', victims: [victim], awayMs: drawAway(chance) }
        : { do: 'stop', victims: [victim], forMs: drawLength(chance) };
    }
  }
}

function drawVictim(chance: Seeded, what: Struck, nodes: readonly string[], gateways: readonly string[]): string {
  if (what === 'node') return chance.pick(nodes);
  if (what === 'gateway') return chance.pick(gateways);
  return what === 'projector' ? 'p1' : what;
}

/** Two or three at the same moment. */
function drawSeveral(chance: Seeded, parts: PlanParts): string[] {
  const all = (Object.keys(struck) as Struck[]).filter((name) =>
    (struck[name] as readonly Profile[]).includes(parts.profile),
  );
  const names = all.flatMap((what) =>
    what === 'node'
      ? list('n', parts.nodes)
      : what === 'gateway'
        ? list('g', parts.gateways)
        : [what === 'projector' ? 'p1' : what],
  );
  return chance.shuffled(names).slice(0, chance.within(2, 3));
}

/** From a blink to past every timeout. */
const drawLength = (chance: Seeded): number => chance.pick([200, 800, 2_500, 5_000, 12_000]);
/** Until a server is started again; processes of ours are by their supervisor. */
const drawAway = (chance: Seeded): number => chance.pick([0, 600, 2_500, 7_000]);
const drawDirections = (chance: Seeded): Direction[] =>
  chance.pick<Direction[]>([['up', 'down'], ['up', 'down'], ['up'], ['down']]);

const cut = (chance: Seeded, ways: readonly Way[], directions: readonly Direction[]): Act => ({
  do: 'cut',
  ways,
  directions,
  manner: chance.pick(['keep', 'lose']),
  forMs: drawLength(chance),
});

/** Who crosses which bridge. */
export function crossings({ profile, nodes, gateways }: Pick<PlanParts, 'profile' | 'nodes' | 'gateways'>): Way[] {
  const all = [...list('n', nodes), ...list('g', gateways)];
  const across = (bridge: string, travellers: readonly string[]): Way[] =>
    travellers.map((traveller) => ({ bridge, traveller }));
  return [
    ...list('n', nodes).flatMap((node) =>
      across(
        node,
        all.filter((name) => name !== node),
      ),
    ),
    ...(profile === 'embedded' ? across('log', [...all, 'p1']) : []),
    ...(profile === 'embedded'
      ? []
      : [
          ...across('nats', [...all, 'p1']),
          ...across('postgres', ['p1', ...list('g', gateways)]),
          ...across('cache redis', list('g', gateways)),
          ...across('alarm redis', list('n', nodes)),
        ]),
    ...(profile === 'kafka' ? [...across('kafka', [...all, 'relay', 'p1']), ...across('nats', ['relay'])] : []),
  ];
}

/** Mostly to where the log is; sometimes for everybody there. */
function drawWay(chance: Seeded, parts: PlanParts): Way {
  const all = crossings(parts);
  const logs = all.filter(({ bridge }) => ['log', 'nats', 'kafka'].includes(bridge));
  const way = chance.chance(0.5) ? chance.pick(logs) : chance.pick(all);
  return chance.chance(0.2) ? { bridge: way.bridge, traveller: undefined } : way;
}

/** All that lead to or from that process; but not those of clients, who cannot tell. */
const waysOf = (name: string, parts: PlanParts): Way[] =>
  crossings(parts).filter(({ bridge, traveller }) => bridge === name || traveller === name);
