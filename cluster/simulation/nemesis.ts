/** Does harm to the cluster, by plan: one kind of fault after the other, some at the same time, each for a while. Owns what is broken. */
import type { SimCluster } from './cluster.ts';
import type { Device } from './device.ts';
import type { History } from './history.ts';
import { logFolder } from './log-role.ts';
import { NetworkHarm } from './network-harm.ts';
import type { FaultName } from './options.ts';
import { type Asked, ask, requestAddr } from './request.ts';
import type { Seeded } from './seeded.ts';
import { type SimProcess, usPerMs } from './sim-process.ts';
import type { Supervised } from './supervised.ts';

type AnyProcess = Supervised<unknown>;

/** How often a kind is chosen that did not happen yet, while there is one. */
const owedShare = 0.6;
/** Where something must have come about before, an operation or a client's line: batches judge of these. */
const perhaps: ReadonlySet<FaultName> = new Set(['roll back', 'hopping clients']);
/** Between two tries once everything else has rested. */
const hurryUs = 200 * usPerMs;
/** What is owed may need somebody who is cut off: after so long everything is made whole first. */
const healAfterUs = 4_000 * usPerMs;

export class Nemesis {
  readonly fired = new Map<FaultName, number>();
  /** A log that was told not to sync lost power: what it acknowledged shortly before may be gone, and only that. */
  hasLostData = false;
  /** What was begun by a clock that leapt forward is young until the others have come as far. */
  furthestLeapMs = 0;
  hasSetClocks = false;
  #mood: 'by plan' | 'what is owed' | 'at rest' = 'by plan';
  #lastOperation = '';
  /** How to undo what is broken at present. */
  readonly #broken = new Set<() => void>();
  readonly #network: NetworkHarm;

  constructor(
    readonly cluster: SimCluster,
    readonly history: History,
    readonly chance: Seeded,
    readonly clients: SimProcess,
    readonly devices: () => readonly Device[],
  ) {
    this.#network = new NetworkHarm(cluster, chance, (medianMs, undo) => this.#for(medianMs, undo));
    const { faultEveryMs, faults, faultsFromMs } = cluster.options;
    if (faultEveryMs === 0 || faults.length === 0) return;
    const strike = (): void => {
      if (this.#mood !== 'by plan') return;
      const { owed } = this;
      this.#strike(chance.pick(owed.length > 0 && chance.chance(owedShare) ? owed : faults));
      cluster.schedule.after(chance.wait(faultEveryMs * usPerMs), 'nemesis', strike);
    };
    cluster.schedule.after(faultsFromMs * usPerMs + chance.wait(1_500 * usPerMs), 'nemesis', strike);
  }

  /** Kinds that must happen in this run and did not yet. */
  get owed(): FaultName[] {
    const { faultEveryMs, faults } = this.cluster.options;
    return faultEveryMs === 0 ? [] : faults.filter((name) => !perhaps.has(name) && !this.fired.has(name));
  }

  /** Only what is owed happens from now on, and soon. */
  hurry(): void {
    this.#mood = 'what is owed';
    const { schedule } = this.cluster;
    const healAt = schedule.now + healAfterUs;
    const strike = (): void => {
      const { owed } = this;
      if (this.#mood !== 'what is owed' || owed.length === 0) return;
      if (schedule.now > healAt) for (const undo of [...this.#broken]) undo();
      this.#strike(this.chance.pick(owed));
      schedule.after(this.chance.wait(hurryUs), 'nemesis', strike);
    };
    schedule.after(0, 'nemesis', strike);
  }

  /** Everything is made whole; nothing is broken any more. */
  rest(): void {
    this.#mood = 'at rest';
    for (const undo of [...this.#broken]) undo();
    for (const one of this.cluster.all) {
      one.process.goOn();
      one.start();
    }
  }

  #strike(name: FaultName): void {
    const what = this.#inflict(name);
    if (what === undefined) return;
    this.fired.set(name, (this.fired.get(name) ?? 0) + 1);
    this.history.note('nemesis', `${name}: ${what}`);
  }

  /** What was done; undefined: nothing could be. */
  #inflict(name: FaultName): string | undefined {
    const { cluster, chance } = this;
    switch (name) {
      case 'kill node':
        return this.#kill(chance.pick(cluster.nodes));
      case 'kill log':
        return this.#kill(cluster.log);
      case 'kill gateway':
        return this.#kill(chance.pick(cluster.gateways));
      case 'kill everything':
        for (const one of cluster.all) one.die('killed with all');
        return 'all processes';
      case 'stop node':
        return this.#stop(chance.pick(cluster.nodes));
      case 'stop log':
        return this.#stop(cluster.log);
      case 'stop gateway':
        return this.#stop(chance.pick(cluster.gateways));
      case 'power loss':
        return this.#losePower(chance.chance(0.5) ? cluster.log : chance.pick(cluster.all));
      case 'partition':
        return this.#network.partition();
      case 'one-way cut':
        return this.#network.cut();
      case 'island':
        return this.#network.island();
      case 'broken connections':
        return this.#network.breakOff();
      case 'slow network':
        return this.#network.slow();
      case 'slow disk': {
        const factor = chance.pick([5, 50, 300]);
        cluster.machine.disk.slow(factor);
        return `x${factor}${this.#for(1_200, () => cluster.machine.disk.slow(1))}`;
      }
      case 'full disk': {
        const share = chance.pick([0.2, 1]);
        cluster.machine.disk.fill(share);
        return `${share * 100} % of the writes fail${this.#for(900, () => cluster.machine.disk.fill(0))}`;
      }
      case 'clock jump': {
        const one = chance.pick(cluster.all);
        const ms = chance.pick([-3_600_000, -5_000, -700, 900, 6_000, 600_000]);
        one.process.setWallBy(ms);
        this.furthestLeapMs = Math.max(this.furthestLeapMs, ms);
        this.hasSetClocks = true;
        return `${one.name} by ${ms} ms${this.#for(2_500, () => one.process.setWallBy(-ms))}`;
      }
      case 'lost pages':
        return this.#loseStore('pages');
      case 'lost index':
        return this.#loseStore('index');
      case 'hopping clients': {
        const devices = this.devices();
        if (devices.length === 0) return undefined;
        const some = chance.shuffled(devices).slice(0, chance.within(1, devices.length));
        for (const device of some) device.hop();
        return `${some.length} of ${devices.length}`;
      }
      case 'drain':
        return this.#operate({ op: 'drain', node: this.#aNode(), after: chance.pick(['exit', 'restart', 'stay']) });
      case 'weights': {
        const weights = Object.fromEntries(cluster.nodes.map((node) => [node.name, chance.pick([0.5, 1, 2, 4])]));
        return this.#operate({ op: 'weights', weights, canaryS: chance.pick([0, 1]) });
      }
      case 'roll back':
        if (this.#lastOperation !== '') return this.#operate({ op: 'roll back', operation: this.#lastOperation });
        // There must be something to roll back.
        this.#strike('weights');
        return undefined;
      case 'freeze':
        return this.#operate(chance.chance(0.5) ? { op: 'freeze', expiresS: chance.within(1, 5) } : { op: 'unfreeze' });
      case 'leave node': {
        const node = chance.pick(cluster.nodes);
        return this.#leave(node, async () => await node.running?.leave());
      }
      case 'leave gateway': {
        const gateway = chance.pick(cluster.gateways);
        return this.#leave(gateway, async () => gateway.running?.leave());
      }
      default:
        return name satisfies never;
    }
  }

  #aNode(): string {
    return this.chance.pick(this.cluster.nodes).name;
  }

  /** An operator's request, through some gateway. */
  #operate(asked: Asked): string {
    const { clients, cluster, chance } = this;
    const socket = cluster.network.socketsOf(clients).connect(requestAddr(chance.pick(cluster.gateways).name));
    void ask(clients, socket, asked).then((told) => {
      const { operation } = told.kind === 'ok' ? { operation: told.body.id } : { operation: undefined };
      if (typeof operation === 'string') this.#lastOperation = operation;
      this.history.note('otto', `${asked.op}: ${told.kind === 'problem' ? `${told.code} ${told.message}` : told.kind}`);
    });
    return JSON.stringify(asked);
  }

  /** SIGTERM: it ends in good order, and is started again. */
  #leave(one: AnyProcess, leave: () => Promise<unknown>): string | undefined {
    if (!one.isUp) return undefined;
    const { process } = one;
    process.later(0, 'leave', () => {
      leave()
        .catch((error: unknown) => this.history.note(one.name, `did not leave well: ${String(error)}`))
        .finally(() => void process.later(0, 'end', () => one.die('left')));
    });
    return one.name;
  }

  /** Undone after a while, at the latest when the nemesis rests. Returns words for it. */
  #for(medianMs: number, undo: () => void): string {
    const us = this.chance.wait(medianMs * usPerMs);
    const once = (): void => {
      if (this.#broken.delete(once)) undo();
    };
    this.#broken.add(once);
    this.cluster.schedule.after(us, 'nemesis undo', once);
    return ` for ${Math.round(us / usPerMs)} ms`;
  }

  #kill(one: AnyProcess): string | undefined {
    if (one.process.liveness === 'down') return undefined;
    one.die('killed');
    return one.name;
  }

  #stop(one: AnyProcess): string | undefined {
    if (one.process.liveness !== 'running') return undefined;
    one.process.stop();
    const { life } = one.process;
    const goOn = (): void => {
      if (one.process.life !== life) return;
      one.process.goOn();
      this.history.note(one.name, 'goes on');
    };
    return `${one.name}${this.#for(this.chance.pick([400, 1_500, 5_000]), goOn)}`;
  }

  /** Of one machine, or of the one that everything runs on. */
  #losePower(one: AnyProcess): string | undefined {
    const { cluster, chance } = this;
    if (one.process.liveness === 'down') return undefined;
    // A log that does not sync loses what it had acknowledged: the others on its machine go down with it.
    const isLossy = cluster.options.log.sync === 'process';
    const all = isLossy || chance.chance(0.2) ? cluster.all : [one];
    if (all.includes(cluster.log)) {
      cluster.machine.disk.losePower();
      cluster.machine.stores.losePower();
      cluster.machine.rebooted = true;
      if (isLossy) this.hasLostData = true;
    }
    for (const { name } of all) cluster.network.fallSilent(name);
    for (const each of all) {
      each.isHeld = true;
      each.die('without power');
    }
    return `${all.map(({ name }) => name).join(' ')}${this.#for(chance.pick([500, 3_000]), () => {
      for (const each of all) {
        cluster.network.deny(each.name);
        each.start();
      }
    })}`;
  }

  /** Both may be deleted while the log process does not run (runtime/log/README.md). */
  #loseStore(name: 'pages' | 'index'): string | undefined {
    const { log, machine } = this.cluster;
    if (log.process.liveness !== 'down') log.die(`killed, and its ${name} deleted`);
    machine.stores.remove(`${logFolder}/${name}`);
    return name;
  }
}
