import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Random } from '../../runtime/kernel/random.ts';
import type { ChildPlan, ChildRole } from './child.ts';
import { type ClusterFile, portOf } from './cluster-file.ts';
import { type Config, ConfigError } from './config.ts';
import { Ports } from './ports.ts';

const script = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const hunt = script('../cli/hunt.js');
const demo = script('../cli/demo-main.js');

/**
 * V8 flags by role. A gateway's young generation stays small, so that no single scavenge delays live frames (measured);
 * nodes and the log hold little by design (I5), and nine of them share one machine: a node's heap grows by at most 30 %
 * between two collections (measured: a third less resident memory under load, at the same CPU an action).
 */
export const v8Flags: Readonly<Partial<Record<PlannedRole, readonly string[]>>> = {
  gateway: ['--max-semi-space-size=2'],
  node: ['--max-semi-space-size=2', '--heap-growing-percent=30'],
  log: ['--max-semi-space-size=4'],
  projector: ['--max-semi-space-size=2'],
  relay: ['--max-semi-space-size=2'],
  postgres: ['--max-semi-space-size=1'],
};

export interface Plans {
  /** Profile embedded only: elsewhere the log is somebody else's process. */
  readonly log: ChildPlan | undefined;
  readonly nodes: readonly ChildPlan[];
  readonly gateways: readonly ChildPlan[];
  /** What else belongs to the profile. Play waits for none of them (I10). */
  readonly others: readonly ChildPlan[];
  /** What is left out and what that means, in sentences for people. */
  readonly missing: readonly string[];
}

export const nodeIds = (config: Config): string[] => Array.from({ length: config.nodes }, (_, i) => `n${i + 1}`);

/**
 * What to start where. Ports that were asked for must be free; those that nobody asked for are those of the last start
 * if they still are, else the usual ones, else any.
 */
export async function planChildren(config: Config, before: ClusterFile | undefined, random: Random): Promise<Plans> {
  const ports = new Ports(config.host, random);
  const last = (name: string) => before?.processes.find((one) => one.name === name);
  const wanted = async (
    kind: 'http' | 'grpc',
    name: string,
    base: number,
    index: number,
    flag: string,
  ): Promise<number> => {
    if (base === 0) return await ports.any(portOf(last(name)?.[kind]));
    const port = await ports.exactly(base + index);
    if (port === undefined)
      throw new ConfigError([
        `${flag}: port ${base + index} on ${config.host} is taken: choose another, or 0 for any that is free`,
      ]);
    return port;
  };
  const inside = (name: string, usual: number, kind: 'http' | 'grpc' = 'http') =>
    ports.any(portOf(last(name)?.[kind]), config.httpPort === 0 ? undefined : usual);

  const { pgPort, missing } = await planStore(config, ports);
  const plan = planner(config, pgPort);
  const gateways: ChildPlan[] = [];
  for (let i = 0; i < config.gateways; i++) {
    const name = `g${i + 1}`;
    const http = await wanted('http', name, config.httpPort, i, '--port');
    const grpc = await wanted('grpc', name, config.grpcPort, i, '--grpc-port');
    gateways.push(plan('gateway', name, http, grpc));
  }
  const nodes: ChildPlan[] = [];
  for (const [i, name] of nodeIds(config).entries())
    nodes.push(plan('node', name, await inside(name, 7101 + i), await inside(name, 7001 + i, 'grpc')));
  const others: ChildPlan[] = [];
  if (pgPort > 0) others.push(plan('postgres', 'postgres', await inside('postgres', 7203)));
  if (config.profile === 'kafka') others.push(plan('relay', 'relay', await inside('relay', 7202)));
  // On servers it archives, too, whatever else there is: their logs must not fill up.
  if (pgPort > 0 || config.pgUrl !== undefined || config.profile !== 'embedded')
    others.push(plan('projector', 'p1', await inside('p1', 7201)));
  return {
    log: config.profile === 'embedded' ? plan('log', 'log', await inside('log', 7100)) : undefined,
    nodes,
    gateways,
    others,
    missing,
  };
}

/** Where the embedded PostgreSQL will listen; 0: there is none, and `missing` says why if that is worth a word. */
async function planStore(config: Config, ports: Ports): Promise<{ pgPort: number; missing: string[] }> {
  if (config.pgUrl !== undefined) return { pgPort: 0, missing: [] };
  const without = 'there are no lists of hunts and no projections; everything else works';
  if (config.profile !== 'embedded') return { pgPort: 0, missing: [`HUNT_PG_URL is not given: ${without}`] };
  if (config.pgPort === 0) return { pgPort: 0, missing: [] };
  const { findPostgres } = await import('./postgres-binaries.ts');
  const found = findPostgres();
  if ('missing' in found) return { pgPort: 0, missing: [`${found.missing}: ${without}`] };
  return { pgPort: await ports.any(config.httpPort === 0 ? undefined : config.pgPort), missing: [] };
}

type PlannedRole = Exclude<ChildRole, 'service'> | 'postgres';
type Planner = (role: PlannedRole, name: string, http: number, grpc?: number) => ChildPlan;

const planner =
  (config: Config, pgPort: number): Planner =>
  (role, name, http, grpc) => {
    const flags = [
      '--id',
      name,
      '--data-dir',
      config.dataDir,
      '--profile',
      config.profile,
      '--cluster',
      config.cluster,
      '--host',
      config.host,
      '--http-port',
      String(http),
      '--pg-port',
      String(pgPort),
      ...(config.file === undefined ? [] : ['--config', config.file]),
    ];
    if (grpc !== undefined) flags.push('--grpc-port', String(grpc));
    return {
      name,
      role: role === 'postgres' ? 'service' : role,
      argv: [...(v8Flags[role] ?? []), hunt, role, ...flags],
      logFile: logFileOf(config, name),
      http: `${role === 'gateway' && config.tlsCert !== undefined ? 'https' : 'http'}://${urlHost(config.host)}:${http}`,
      ...(grpc === undefined ? {} : { grpc: `${urlHost(config.host)}:${grpc}` }),
      reports: true,
      endsBy0: role !== 'log',
      need: role === 'postgres' || role === 'projector' ? 'wanted' : 'essential',
      layer: role === 'gateway' ? 'edge' : role === 'log' || role === 'postgres' ? 'ground' : 'core',
    };
  };

/** A package may leave the demo out. */
export const hasDemo = (): boolean => existsSync(demo);

/** Plays a hunt by itself, for somebody to look at. Nothing depends on it. */
export const planDemo = (config: Config, shows: boolean): ChildPlan => ({
  name: 'demo',
  role: 'service',
  argv: [demo, '--data-dir', config.dataDir],
  logFile: logFileOf(config, 'demo'),
  shows,
  reports: false,
  endsBy0: true,
  need: 'extra',
  layer: 'edge',
});

const logFileOf = (config: Config, name: string) => join(config.dataDir, 'logs', `${name}.log`);

/** How others reach an address that we listen on: all interfaces are reached through this machine's own name for itself. */
export function urlHost(host: string): string {
  return bracketed(host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host);
}

/** As it stands before a port. */
export const bracketed = (host: string): string => (host.includes(':') ? `[${host}]` : host);
