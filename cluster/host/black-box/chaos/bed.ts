/**
 * What a run harms: a cluster as `hunt up` starts it, its servers, and a bridge on every way that can be led over one.
 *
 * Owns all of these, and the folder. Bridges: to every server by its address in the environment (Kafka's brokers advertise theirs), to
 * the log process and to every node by their socket files, to every gateway for clients. Not led over a bridge: the way to the PostgreSQL that
 * profile embedded runs for itself.
 */
import { cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../../servers/private-server.ts';
import type { ClusterFile } from '../cluster-api.ts';
import { ClusterProcess } from '../cluster-process.ts';
import { type PrivateServers, type Profile, privateServers } from '../profile-servers.ts';
import { SmallDisk, whyNoDisk } from '../small-disk.ts';
import { Bridge } from './bridge.ts';
import { Bridges } from './bridges.ts';
import { LocalBridges } from './local-bridges.ts';
import type { ChaosOptions } from './options.ts';
import { ownPostgresVictim, roleVictim, serverVictim, type Victim } from './victim.ts';

const readyMs = 120_000;
/** So small that a disk that is full is noticed within seconds. */
const segmentBytes = 16 * 1024;
const diskMiB = 96;

/** By the setting that leads processes there. */
const led = {
  HUNT_NATS_URL: 'nats',
  HUNT_PG_URL: 'postgres',
  HUNT_REDIS_URL: 'cache redis',
  HUNT_ALARM_REDIS_URL: 'alarm redis',
} as const;

export class ChaosBed {
  #file: ClusterFile | undefined;

  private constructor(
    readonly options: ChaosOptions,
    readonly dataDir: string,
    readonly servers: PrivateServers,
    readonly bridges: Bridges,
    readonly cluster: ClusterProcess,
    private local: LocalBridges,
    /** In words, why there is none. */
    readonly disk: SmallDisk | string,
  ) {}

  static async make(options: ChaosOptions): Promise<ChaosBed> {
    const { profile, nodes, gateways } = options;
    const dataDir = mkdtempSync(join(tmpdir(), 'hunt-chaos-'));
    const disk = diskFor(profile, join(dataDir, 'log'));
    const bridges = new Bridges();
    let bed: ChaosBed | undefined;
    const nameOf = (pid: number): string | undefined => bed?.nameOf(pid);
    const kafka = { inner: await freePort(), outer: await freePort() };
    if (profile === 'kafka') bridges.add(await tcpBridge('kafka', kafka.inner, nameOf, kafka.outer));
    const servers = await privateServers(profile, {
      port: kafka.inner,
      config: `advertised.listeners=PLAINTEXT://127.0.0.1:${kafka.outer}`,
    });
    try {
      const env: Record<string, string> = { ...servers.env };
      if (profile === 'kafka') env.HUNT_KAFKA_BROKERS = `127.0.0.1:${kafka.outer}`;
      for (const [setting, name] of Object.entries(led)) {
        if (env[setting] === undefined) continue;
        const url = new URL(env[setting]);
        const bridge = await tcpBridge(name, Number(url.port), nameOf);
        bridges.add(bridge);
        env[setting] = env[setting].replace(`:${url.port}`, `:${bridge.port}`);
      }
      if (profile === 'embedded') env.HUNT_LOG_SEGMENT_BYTES = String(segmentBytes);
      const local = localBridges(dataDir, bridges, nameOf);
      const cluster = await ClusterProcess.start({ dataDir, nodes, gateways, store: true, env, readyMs });
      bed = new ChaosBed(options, dataDir, servers, bridges, cluster, local, disk);
      for (const gateway of bed.gateways) {
        const target = (): number => bed?.portOf(gateway) ?? 0;
        bridges.add(await tcpBridge(`front ${gateway}`, target, nameOf));
      }
      return bed;
    } catch (error) {
      bridges.close();
      if (typeof disk !== 'string') disk.unmount();
      await servers.close();
      throw error;
    }
  }

  get gateways(): string[] {
    return Array.from({ length: this.options.gateways }, (_, i) => `g${i + 1}`);
  }

  /** Where clients reach that gateway: behind the bridge. */
  frontOf(gateway: string): number {
    return this.bridges.get(`front ${gateway}`)?.port ?? 0;
  }

  /** cluster.json as it stands, or as it stood last while it is being made anew. */
  file(): ClusterFile {
    try {
      this.#file = this.cluster.file();
    } catch (error) {
      if (this.#file === undefined) throw error;
    }
    return this.#file as ClusterFile;
  }

  nameOf(pid: number): string | undefined {
    return this.file().processes.find((row) => row.pid === pid)?.name;
  }

  portOf(process: string): number {
    const row = this.file().processes.find(({ name }) => name === process);
    return Number(new URL(row?.http ?? 'http://127.0.0.1:0').port);
  }

  victim(name: string): Victim {
    const { servers, cluster, options, dataDir } = this;
    switch (name) {
      case 'nats':
        return serverVictim(servers.nats);
      case 'kafka':
        return serverVictim(servers.kafka);
      case 'cache redis':
        return serverVictim(servers.cacheRedis);
      case 'alarm redis':
        return serverVictim(servers.alarmRedis);
      case 'postgres':
        return options.profile === 'embedded' ? ownPostgresVictim(dataDir) : serverVictim(servers.postgres);
      default:
        return roleVictim(cluster, name);
    }
  }

  /** While no process of the cluster runs: every socket file is the next life's. */
  renewLocal(): void {
    this.local.close();
    this.local = localBridges(this.dataDir, this.bridges, (pid) => this.nameOf(pid));
  }

  /** For whoever wants to know what happened: logs, and what the servers hold. */
  keep(folder: string): void {
    cpSync(this.dataDir, folder, {
      recursive: true,
      filter: (from) => !from.endsWith('.sock') && !from.endsWith('.behind') && !from.endsWith('/junk'),
    });
  }

  async close(): Promise<void> {
    await this.cluster.stop().catch(() => undefined);
    this.local.close();
    this.bridges.close();
    if (typeof this.disk !== 'string') this.disk.unmount();
    await this.servers.close();
    rmSync(this.dataDir, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** One that can be full, for the log; in words, why there is none. */
function diskFor(profile: Profile, folder: string): SmallDisk | string {
  if (profile !== 'embedded') return `profile ${profile} has no log process`;
  const why = whyNoDisk(folder);
  if (why !== undefined) return why;
  const disk = SmallDisk.mount(folder, diskMiB);
  // Interrupted runs leave no mount. Unmounted twice is once too often, and harmless.
  process.once('exit', () => disk.unmount());
  return disk;
}

/** Before the processes are there, so that nobody gets past them. */
function localBridges(dataDir: string, bridges: Bridges, nameOf: (pid: number) => string | undefined): LocalBridges {
  const folder = join(dataDir, 'run');
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  return new LocalBridges({
    folder,
    nameOf,
    opened: (bridge) => bridges.add(bridge),
    closed: (bridge) => bridges.remove(bridge),
  });
}

async function tcpBridge(
  name: string,
  port: number | (() => number),
  nameOf: (pid: number) => string | undefined,
  listenOn = 0,
): Promise<Bridge> {
  return Bridge.open({
    name,
    listen: { host: '127.0.0.1', port: listenOn },
    target: () => ({ host: '127.0.0.1', port: typeof port === 'number' ? port : port() }),
    nameOf,
  });
}
