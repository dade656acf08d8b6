/** The simulated cluster: one log, nodes, gateways, each a supervised process on a machine of its own. Owns them and the network. */
import { parseDefinition } from '../../actors/hunt/definition.ts';
import type { AnyActorKind } from '../../runtime/define-actor.ts';
import type { EmbeddedLogServer } from '../../runtime/log/embedded/server.ts';
import { actorKinds } from '../host/actor-kinds.ts';
import { DiskWatch } from './disk-watch.ts';
import { type RunningGateway, runGateway } from './gateway-role.ts';
import type { History } from './history.ts';
import { type LogMachine, runLog } from './log-role.ts';
import { Network } from './network.ts';
import { type RunningNode, runNode } from './node-role.ts';
import type { SimOptions } from './options.ts';
import { requestAddr, serveRequest } from './request.ts';
import type { Schedule } from './schedule.ts';
import type { Seeded } from './seeded.ts';
import { Sights } from './sights.ts';
import { SimDisk } from './sim-disk.ts';
import { SimProcess } from './sim-process.ts';
import { SimStores } from './sim-store.ts';
import { Supervised } from './supervised.ts';

/** Some twenty rows, and of them what may be dirty, as much as in production: commands wait for saves, and find room after. */
const pageCacheBytesMax = 14_000;
const dirtyPageBytesMax = 10_000;

export interface OwnFault {
  readonly what: string;
  readonly error: unknown;
}

export class SimCluster {
  readonly network: Network;
  readonly machine: LogMachine;
  readonly log: Supervised<EmbeddedLogServer>;
  readonly nodes: readonly Supervised<RunningNode>[];
  readonly gateways: readonly Supervised<RunningGateway>[];
  readonly sights = new Sights();
  readonly diskWatch: DiskWatch;
  /** Faults of ours that a process reported: none may be. */
  readonly ownFaults: OwnFault[] = [];

  constructor(
    readonly schedule: Schedule,
    readonly chance: Seeded,
    readonly options: SimOptions,
    readonly history: History,
  ) {
    this.network = new Network(schedule, chance.fork('network'), options.network);
    this.network.onBytes = (_from, _to, bytes) => history.bytes(bytes);
    this.machine = {
      disk: new SimDisk(chance.fork('disk'), options.disk),
      stores: new SimStores(chance.fork('stores')),
      rebooted: false,
    };
    this.diskWatch = new DiskWatch(() => schedule.now);
    this.machine.disk.onWritten = (bytes, isDurable, isCertain) => {
      // A log that was told not to sync promises to outlive its process only.
      if (isDurable || options.log.sync === 'process') this.diskWatch.written(bytes, isCertain);
    };
    this.log = this.#supervised('log', (process) =>
      runLog(process, this.network, this.machine, options.log, {
        info: () => undefined,
        warn: (_fields, message) => {
          history.note('log', message);
          if (message.startsWith('cut the torn tail')) this.sights.add('log: torn tail cut');
        },
        error: (fields, message) => this.#logError(fields, message),
      }),
    );
    const names = Array.from({ length: options.nodes }, (_, i) => `n${i + 1}`);
    this.nodes = names.map((name) => this.#node(name, names));
    this.gateways = Array.from({ length: options.gateways }, (_, i) => this.#gateway(`g${i + 1}`));
  }

  get all(): readonly Supervised<unknown>[] {
    return [this.log, ...this.nodes, ...this.gateways];
  }

  start(): void {
    for (const one of this.all) one.start();
  }

  /** Whether every process runs and every slot is served. */
  get isSettled(): boolean {
    return this.all.every((one) => one.isUp) && this.nodes.every((node) => node.running?.isSettled === true);
  }

  #logError(fields: object, message: string): void {
    this.history.note('log', message);
    if ('damage' in fields) this.ownFaults.push({ what: `log: ${message}`, error: fields });
  }

  #supervised<R>(name: string, boot: (process: SimProcess) => Promise<R>): Supervised<R> {
    const process = new SimProcess(name, this.schedule, this.chance);
    return new Supervised<R>({
      process,
      chance: this.chance.fork(`supervisor ${name}`),
      boot: () => boot(process),
      note: (what) => this.history.note(name, what),
    });
  }

  #node(name: string, members: readonly string[]): Supervised<RunningNode> {
    const { options } = this;
    const node: Supervised<RunningNode> = this.#supervised(name, (process) =>
      runNode({
        process,
        network: this.network,
        members,
        manners: {
          kinds: kindsFor(options),
          limits: options.runtime,
          pageCacheBytesMax,
          dirtyPageBytesMax,
          residentPagesMin: options.residentPagesMin,
          pageApartMs: options.pageApartMs,
        },
        metrics: this.sights.metrics,
        fault: (what, error) => this.ownFaults.push({ what, error }),
        note: (what) => this.history.note(name, what),
        end: (reason) => void process.later(0, 'end', () => node.die(reason)),
      }),
    );
    return node;
  }

  #gateway(name: string): Supervised<RunningGateway> {
    return this.#supervised(name, async (process) => {
      const running = await runGateway({
        process,
        network: this.network,
        // On a worker thread in production, which keeps other work of the gateway from waiting and changes no answer.
        parseDefinition: async (source) => parseDefinition(source),
        hotSubscribers: this.options.hotSubscribers,
        metrics: this.sights.metrics,
        fault: (what, error) => this.ownFaults.push({ what, error }),
      });
      await this.network
        .socketsOf(process)
        .listen(requestAddr(name), (socket) =>
          serveRequest(running.operations, socket, (error) => this.ownFaults.push({ what: `${name}: request`, error })),
        );
      return running;
    });
  }
}

const kindsFor = (options: SimOptions): AnyActorKind[] =>
  actorKinds.map((kind) => ({ ...kind, limits: { ...kind.limits, ...options.actor } }));
