/** What is done to a cluster under load, and how long its players waited each time; failover.ts makes figures of it. */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { ClusterProcess } from '../cluster/host/black-box/cluster-process.ts';
import type { Crowd } from '../cluster/host/black-box/crowd.ts';
import { until } from '../cluster/host/black-box/deadline.ts';

const acceptMsMax = 60_000;
const calmMsMax = 400_000;
const operationMsMax = 120_000;

interface Operation {
  readonly id: string;
  readonly state: string;
  readonly error?: string;
  readonly started_at: number;
  readonly ended_at?: number;
  readonly moves?: readonly { readonly measured_ms?: number }[];
}
interface Ring {
  readonly nodes: readonly {
    readonly id: string;
    readonly state: string;
    readonly slots: number;
    incarnation: number;
  }[];
  readonly owners: readonly string[];
  readonly operations: readonly Operation[];
}
type Member = Crowd['members'][number];

/** One strike: samples in ms. */
export interface Outcome {
  readonly waits?: readonly number[];
  readonly stalls?: readonly number[];
  readonly tookMs?: number;
}

export class Strikes {
  #turn = 0;

  constructor(
    private readonly cluster: ClusterProcess,
    private readonly crowd: Crowd,
    /** How long a node that came back may take to get its share, before the next strike comes all the same. */
    private readonly settleMs: number,
  ) {}

  /** SIGKILL to a node that serves hunts of the crowd: until each of them accepted the next action. Nobody starts it meanwhile. */
  async kill(): Promise<Outcome> {
    const { name, there } = await this.#victim();
    const supervisor = this.cluster.file().supervisor.pid;
    process.kill(supervisor, 'SIGSTOP');
    try {
      const killed = this.cluster.kill(name);
      const waits = await this.#accepted(there, performance.now(), `${name} was killed`);
      process.kill(supervisor, 'SIGCONT');
      await this.cluster.respawned(killed, 60_000);
      await this.#settled();
      return { waits };
    } finally {
      process.kill(supervisor, 'SIGCONT');
    }
  }

  /** SIGSTOP past every timeout; continued once the others serve. */
  async stop(): Promise<Outcome> {
    const { name, there } = await this.#victim();
    const { pid } = this.cluster.kill(name, 'SIGSTOP');
    try {
      const waits = await this.#accepted(there, performance.now(), `${name} was stopped`);
      process.kill(pid, 'SIGCONT');
      await this.#settled();
      return { waits };
    } finally {
      process.kill(pid, 'SIGCONT');
    }
  }

  async log(): Promise<Outcome> {
    const killed = this.cluster.kill('log');
    const waits = await this.#accepted(this.crowd.members, performance.now(), 'the log was killed');
    await this.cluster.respawned(killed, 60_000);
    return { waits };
  }

  /** SIGKILL to the gateway that most players are connected to. */
  async gateway(names: readonly string[]): Promise<Outcome> {
    const reconnects = this.crowd.members[0]?.player.reconnects ?? 0;
    const name = names[reconnects % names.length] ?? 'g1';
    const before = this.crowd.members.map(({ player }) => player.reconnects);
    const killed = this.cluster.kill(name);
    const at = performance.now();
    const there = this.crowd.members.filter((_, i) => (before[i] ?? 0) % names.length === reconnects % names.length);
    const waits = await this.#accepted(there, at, `${name} was killed`);
    await this.cluster.respawned(killed, 60_000);
    return { waits };
  }

  /** A slot with a hunt of the crowd is planned to another node, and back the next time. */
  async move(): Promise<Outcome> {
    await this.#calm();
    const ring = await this.#ring();
    const member = this.crowd.members[this.#turn++ % this.crowd.members.length] as Member;
    const { slot } = member.hunt;
    const nodes = ring.nodes.filter((node) => node.state === 'active' && node.id !== ring.owners[slot]);
    const to = nodes[this.#turn % nodes.length]?.id ?? '';
    const plan = await this.#post<{ plan_id: string }>('plan', { pins: { [slot]: to }, expires_s: 5 });
    const begun = await this.#post<Operation>('apply', { plan_id: plan.plan_id, canary_s: 0, moves_per_s: 100 });
    return this.#stallsOf(await this.#ended(begun.id));
  }

  /** A node is emptied, restarts and gets its share again. */
  async drain(): Promise<Outcome> {
    const { name } = await this.#victim();
    const before = this.cluster.process(name);
    const begun = await this.#post<Operation>(`nodes/${name}/drain`, { restart: true });
    const drained = this.#stallsOf(await this.#ended(begun.id));
    await this.cluster.respawned(before, 60_000);
    await this.#calm();
    return drained;
  }

  /** `hunt ring roll`: every node in turn. */
  async roll(): Promise<Outcome> {
    const began = performance.now();
    const since = Date.now();
    const hunt = fileURLToPath(new URL('../cluster/cli/hunt.js', import.meta.url));
    const child = spawn(process.execPath, [hunt, 'ring', 'roll', '--json', '--data-dir', this.cluster.dataDir], {
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    const code = await new Promise<number | null>((done) => child.once('exit', done));
    if (code !== 0) throw new Error(`hunt ring roll exited with ${code}`);
    const tookMs = performance.now() - began;
    const { operations } = await this.#ring();
    const stalls: number[] = [];
    for (const one of operations.filter((operation) => operation.started_at >= since))
      stalls.push(...(this.#stallsOf(await this.#operation(one.id)).stalls ?? []));
    return { stalls, tookMs };
  }

  /** A node that serves hunts of the crowd, another one each time. */
  async #victim(): Promise<{ name: string; there: readonly Member[] }> {
    await this.crowd.allAckedSince(performance.now());
    const { owners, nodes } = await this.#ring();
    const active = new Set(nodes.filter((node) => node.state === 'active').map((node) => node.id));
    const serving = [...new Set(this.crowd.members.map(({ hunt }) => owners[hunt.slot] ?? ''))]
      .filter((name) => active.has(name))
      .sort();
    const name = serving[this.#turn++ % serving.length] as string;
    return { name, there: this.crowd.members.filter(({ hunt }) => owners[hunt.slot] === name) };
  }

  /** How long after `since` each accepted an action that was sent after it. */
  #accepted(there: readonly Member[], since: number, what: string): Promise<number[]> {
    return Promise.all(
      there.map(async ({ waits, hunt }) => {
        const wait = await until(`hunt ${hunt.hunt_id} to accept an action after ${what}`, acceptMsMax, () =>
          waits.find(({ sentAt }) => sentAt > since),
        );
        return wait.sentAt + wait.ms - since;
      }),
    );
  }

  async #settled(): Promise<void> {
    if (this.settleMs > 0) await this.#calm(this.settleMs).catch(() => undefined);
  }

  /** Every node is active and no operation under way. */
  #calm(ms = calmMsMax): Promise<unknown> {
    return until('every node to be back, and to have its share', ms, async () => {
      const { nodes, operations } = await this.#ring();
      const busy = operations.some((one) => one.state === 'canary' || one.state === 'running');
      return !busy && nodes.every((node) => node.state === 'active' && node.slots > 0);
    });
  }

  #stallsOf(operation: Operation): Outcome {
    if (operation.state !== 'done') throw new Error(`${operation.id} ended as ${operation.state}: ${operation.error}`);
    const stalls = (operation.moves ?? []).flatMap(({ measured_ms }) =>
      measured_ms === undefined ? [] : [measured_ms],
    );
    return { stalls, tookMs: (operation.ended_at ?? operation.started_at) - operation.started_at };
  }

  #ended(id: string): Promise<Operation> {
    return until(`${id} to end`, operationMsMax, async () => {
      const one = await this.#operation(id);
      return one.state === 'canary' || one.state === 'running' ? undefined : one;
    });
  }
  #operation(id: string): Promise<Operation> {
    return this.cluster.expect('GET', `/v1/cluster/operations/${id}`, { token: this.cluster.tokens.operator });
  }
  #ring(): Promise<Ring> {
    return this.cluster.expect('GET', '/v1/cluster', { token: this.cluster.tokens.operator });
  }
  #post<T>(path: string, body: object): Promise<T> {
    return this.cluster.expect('POST', `/v1/cluster/${path}`, { token: this.cluster.tokens.operator, body });
  }
}
