/** What people do while the cluster suffers: designers make hunts and steer them, players play them, readers look. Owns all clients. */
import { Device } from './device.ts';
import type { Footing } from './footing.ts';
import type { Commanded, History } from './history.ts';
import { drawHunt } from './hunts.ts';
import type { SimOptions } from './options.ts';
import type { Seeded } from './seeded.ts';
import { SimDesigner } from './sim-designer.ts';
import { SimPlayer } from './sim-player.ts';

export type WorkloadOptions = Pick<
  SimOptions,
  'hunts' | 'playersPerHunt' | 'safetyMs' | 'playerPaceMs' | 'designerPaceMs' | 'inFlightMax'
>;

export class Workload {
  readonly designers: SimDesigner[];
  readonly players: SimPlayer[] = [];
  readonly watchers: Device[] = [];
  readonly wishes: Commanded[] = [];
  #isResting = false;

  constructor(
    readonly footing: Footing,
    readonly history: History,
    readonly chance: Seeded,
    readonly options: WorkloadOptions,
    readonly gateways: readonly string[],
  ) {
    this.designers = Array.from({ length: options.hunts }, (_, index) => this.#designer(index));
  }

  get devices(): readonly Device[] {
    return [...this.players.flatMap(({ devices }) => devices), ...this.watchers];
  }

  rest(): void {
    this.#isResting = true;
    for (const designer of this.designers) designer.rest();
    for (const player of this.players) player.rest();
  }

  /** One more command in every hunt: its answer tells whether the hunt serves. */
  wish(): void {
    for (const { hunt } of this.designers) {
      const player = this.players.find((one) => one.parts.hunt === hunt);
      if (player !== undefined) this.wishes.push(player.lastWish());
    }
  }

  get unanswered(): readonly Commanded[] {
    return this.players.flatMap((player) => player.unanswered);
  }

  /** What designers still wait for. */
  get unansweredRequests(): number {
    return this.designers.reduce((sum, designer) => sum + designer.unanswered, 0);
  }

  #designer(index: number): SimDesigner {
    const { options, footing, history, gateways } = this;
    const chance = this.chance.fork(`hunt ${index}`);
    const rules = drawHunt(chance, index, { beganAt: footing.beganAt, safetyMs: options.safetyMs });
    const players = Array.from({ length: options.playersPerHunt }, (_, i) => `p${index}${String.fromCharCode(97 + i)}`);
    const teams: string[] = [];
    return new SimDesigner({
      footing,
      history,
      chance,
      gateways,
      index,
      rules,
      paceMs: options.designerPaceMs,
      players,
      created: (hunt) => {
        for (const name of players) {
          const player = new SimPlayer({
            footing,
            history,
            chance: chance.fork(name),
            gateways,
            hunt,
            rules,
            name,
            paceMs: options.playerPaceMs,
            inFlightMax: options.inFlightMax,
            devices: chance.chance(0.3) ? 2 : 1,
            mode: chance.chance(0.7) ? 'all' : 'own',
            teams,
          });
          this.players.push(player);
          // A hunt may come into being late, when its request was passed on from a gateway that died.
          if (this.#isResting) player.rest();
        }
        this.watchers.push(
          new Device({
            footing,
            history,
            chance: chance.fork('watcher'),
            gateways,
            hunt,
            name: 'dora',
            role: 'designer',
            mode: 'all',
            tag: `dora${index}.w`,
            ready: () => undefined,
            heard: () => undefined,
            lost: () => undefined,
          }),
        );
      },
    });
  }
}
