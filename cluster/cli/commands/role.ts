/** The commands that run a part of the cluster: each role is composed in cluster/host. */
import { type Config, type ConfigKey, loadConfig, type Role } from '../../host/config.ts';

type Flags = Readonly<Record<string, unknown>>;

/** Flags whose name is shorter than the setting's. */
const settings: Readonly<Record<string, ConfigKey>> = { id: 'nodeId', port: 'httpPort' };

function configOf(role: Role, flags: Flags): { config: Config; warnings: readonly string[] } {
  const { config: file, json: _, ...rest } = flags;
  const named = Object.fromEntries(Object.entries(rest).map(([name, value]) => [settings[name] ?? name, value]));
  return loadConfig(role, { flags: named, ...(typeof file === 'string' ? { file } : {}) });
}

export async function runRoleCommand(name: string, flags: Flags): Promise<void> {
  if (name === 'config') {
    await printConfig(flags);
    return;
  }
  const { config, warnings } = configOf(name as Role, flags);
  process.exitCode = await run(name, config, warnings);
}

async function run(name: string, config: Config, warnings: readonly string[]): Promise<number> {
  if (name === 'node') return (await import('../../host/node.ts')).runNode(config, warnings);
  if (name === 'gateway') return (await import('../../host/gateway.ts')).runGateway(config, warnings);
  if (name === 'projector') return (await import('../../host/projector.ts')).runProjector(config, warnings);
  if (name === 'relay') return (await import('../../host/relay.ts')).runRelay(config, warnings);
  if (name === 'postgres') return (await import('../../host/postgres.ts')).runPostgres(config, warnings);
  return (await import('../../host/log.ts')).runLog(config, warnings);
}

export async function runUpCommand(flags: Flags): Promise<void> {
  const { config, warnings } = configOf('up', flags);
  const { runUp } = await import('../../host/up.ts');
  process.exitCode = await runUp(config, { json: flags.json === true, warnings });
}

async function printConfig(flags: Flags): Promise<void> {
  const { config, warnings } = configOf('up', flags);
  const { describeConfig } = await import('../../host/describe-config.ts');
  for (const warning of warnings) process.stderr.write(`warning: ${warning}\n`);
  const described = describeConfig(config);
  if (flags.json === true) process.stdout.write(`${JSON.stringify(described)}\n`);
  else process.stdout.write((await import('yaml')).stringify(described));
}
