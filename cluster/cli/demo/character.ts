/** What kind of player a bot is. Drawn once from the seed; everything that it does follows from it, the seed and what it sees. */
export interface Character {
  readonly id: string;
  readonly name: string;
  readonly kind: Kind;
  /** m/s on foot, before the demo's acceleration. */
  readonly paceMps: number;
  /** How often the first answer is right. */
  readonly wit: number;
  /** How readily it buys a hint rather than guess. */
  readonly hints: number;
  /** How readily it gives a stage up. */
  readonly haste: number;
  /** How often it strays: coffee, coins, a look at the river. */
  readonly wander: number;
  /** How often it goes offline for a while, as in a tunnel; a few leave and come back. */
  readonly absence: number;
  /** Seconds of thought before something is typed. */
  readonly thinkS: number;
}
export type Kind = 'runner' | 'scholar' | 'family' | 'tourist' | 'gambler';

const kinds: Readonly<Record<Kind, Omit<Character, 'id' | 'name' | 'kind'>>> = {
  runner: { paceMps: 2.0, wit: 0.55, hints: 0.2, haste: 0.15, wander: 0.05, absence: 0.01, thinkS: 1.5 },
  scholar: { paceMps: 1.3, wit: 0.9, hints: 0.3, haste: 0.02, wander: 0.15, absence: 0.01, thinkS: 4 },
  family: { paceMps: 0.9, wit: 0.6, hints: 0.6, haste: 0.1, wander: 0.3, absence: 0.04, thinkS: 5 },
  tourist: { paceMps: 1.2, wit: 0.45, hints: 0.5, haste: 0.2, wander: 0.45, absence: 0.05, thinkS: 3 },
  gambler: { paceMps: 1.5, wit: 0.35, hints: 0.05, haste: 0.3, wander: 0.2, absence: 0.02, thinkS: 1 },
};
const kindNames = Object.keys(kinds) as Kind[];

const firstNames = (
  'Ada Ben Carla Deniz Emre Frieda Goran Hanna Ida Jonas Kim Lena Mehmet Nora Oskar Paula Quirin Rosa Selim Tilda Umut Vera Willi Xenia Yara ' +
  'Anton Bao Clara Dario Elif Finn Greta Hugo Inka Jakob Karla Linus Mina Nils Olga Pablo Rafael Sofia Theo Ulla Viktor Wanda Yusuf Zoe Zeno'
).split(' ');

/** The `n`th player of a round. Names repeat with a number when there are more bots than names. */
export function drawCharacter(n: number, random: () => number): Character {
  const kind = kindNames[Math.floor(random() * kindNames.length)] as Kind;
  const spread = (value: number): number => value * (0.8 + random() * 0.4);
  const base = kinds[kind];
  const name = firstNames[n % firstNames.length] as string;
  const again = Math.floor(n / firstNames.length);
  return {
    id: `bot-${n + 1}`,
    name: again === 0 ? name : `${name} ${again + 1}`,
    kind,
    paceMps: spread(base.paceMps),
    wit: Math.min(0.97, spread(base.wit)),
    hints: spread(base.hints),
    haste: spread(base.haste),
    wander: spread(base.wander),
    absence: spread(base.absence),
    thinkS: spread(base.thinkS),
  };
}
