#!/usr/bin/env node
/**
 * `hunt`: one program for everything. This file only says what commands there are; each loads what it needs when it is
 * called, so that `hunt node` starts no client and `hunt create` no server.
 */
import { Command, InvalidArgumentError } from 'commander';
import { exitCode, failureOf } from './exit-code.ts';

const program = new Command('hunt')
  .description('Runs treasure hunts: the cluster, and everything that one does with it.')
  .showHelpAfterError('(hunt --help or hunt COMMAND --help tells more)')
  .enablePositionalOptions()
  .configureHelp({ showGlobalOptions: true });

const whole =
  (min: number, max = Number.MAX_SAFE_INTEGER) =>
  (text: string): number => {
    const value = Number(text);
    if (!/^\d{1,16}$/.test(text) || value < min || value > max)
      throw new InvalidArgumentError(`A whole number from ${min} to ${max} is needed.`);
    return value;
  };
const huntId = whole(1);

/** A command that talks to a cluster. */
const client = (name: string, description: string, parent: Command = program): Command =>
  parent
    .command(name)
    .description(description)
    .option('--url <url>', 'the cluster (HUNT_URL; default: cluster.json of --data-dir)')
    .option('--token <token>', 'whose rights to use (HUNT_TOKEN; default: cluster.json of --data-dir)')
    .option('--data-dir <folder>', 'data folder of a cluster on this machine (HUNT_DATA_DIR, .hunt)')
    .option('--config <file>', 'settings file instead of hunt.yaml')
    .option('--json', 'one JSON document, or one object a line')
    .option('--quiet', 'no progress on stderr');

/** A command that runs a part of the cluster in the foreground. Flags have the names of the settings. */
const role = (name: string, description: string): Command =>
  program
    .command(name)
    .description(description)
    .option('--id <id>', 'name of this process (HUNT_NODE_ID)')
    .option('--weight <number>', 'share of a node in the slots (HUNT_WEIGHT, 1)')
    .option('--profile <profile>', 'embedded, nats or kafka (HUNT_PROFILE, embedded)')
    .option('--cluster <name>', 'name of the cluster (HUNT_CLUSTER, local)')
    .option('--data-dir <folder>', 'data folder (HUNT_DATA_DIR, .hunt)')
    .option('--host <address>', 'address to listen on (HUNT_HOST, 127.0.0.1)')
    .option('--http-port <port>', 'HTTP port (HUNT_HTTP_PORT); 0 = any that is free')
    .option('--grpc-port <port>', 'gRPC port (HUNT_GRPC_PORT); 0 = any that is free')
    .option('--pg-port <port>', 'port of the embedded PostgreSQL (HUNT_PG_PORT, 7432); 0 = without one')
    .option('--log-level <level>', 'trace, debug, info, warn, error, fatal or silent (HUNT_LOG_LEVEL)')
    .option('--config <file>', 'settings file instead of hunt.yaml')
    .action(async (_options, command: Command) =>
      (await import('./commands/role.ts')).runRoleCommand(name, given(command)),
    );

/** The flags that were really given: a default of commander's must not win over environment and file. */
const given = (command: Command): Record<string, unknown> =>
  Object.fromEntries(Object.entries(command.opts()).filter(([name]) => command.getOptionValueSource(name) === 'cli'));

program
  .command('up')
  .description('Start a whole cluster on this machine, in the foreground.')
  .option('--nodes <n>', 'how many nodes (9)')
  .option('--gateways <n>', 'how many gateways (1)')
  .option('--profile <profile>', 'embedded, nats or kafka (HUNT_PROFILE, embedded)')
  .option('--data-dir <folder>', 'data folder (HUNT_DATA_DIR, .hunt)')
  .option('--host <address>', 'address to listen on (HUNT_HOST, 127.0.0.1)')
  .option('--port <port>', "the first gateway's HTTP port (HUNT_HTTP_PORT, 8080); 0 = any that is free")
  .option('--grpc-port <port>', "the first gateway's gRPC port (HUNT_GRPC_PORT, 9090); 0 = any that is free")
  .option('--pg-port <port>', 'port of the embedded PostgreSQL (HUNT_PG_PORT, 7432); 0 = without one')
  .option('--no-respawn', 'do not restart processes that die')
  .option('--no-demo', 'do not play the demo hunt')
  .option('--config <file>', 'settings file instead of hunt.yaml')
  .option('--json', 'events as JSON lines on stdout')
  .action(async (_options, command: Command) => (await import('./commands/role.ts')).runUpCommand(given(command)));

role('node', 'Run one node until SIGTERM.');
role('gateway', 'Run one gateway until SIGTERM.');
// `hunt log` is a role and `hunt log verify` a command: what stands behind `verify` belongs to it alone.
const log = role('log', 'Run the embedded log process until SIGTERM.').enablePositionalOptions();
role('projector', 'Run one projector until SIGTERM.');
role('relay', 'Run the relay from Kafka to JetStream until SIGTERM (profile kafka).');
role('postgres', 'Run the embedded PostgreSQL until SIGTERM.');
role('config', 'Print the effective configuration, secrets masked.').option('--json', 'as JSON');

client('create', 'Create a hunt from a definition in YAML or JSON.')
  .argument('<file>', 'the definition; - reads stdin')
  .option('--open', 'open it at once')
  .option('--dry-run', 'only check the definition')
  .action(async (file: string, options) => (await import('./commands/create.ts')).create(file, options));
client('list', 'List hunts.')
  .option('--status <status>', 'draft, scheduled, open, paused or closed')
  .option('--q <text>', 'text in the title')
  .action(async (options) => (await import('./commands/list.ts')).list(options));
client('show', 'Show a hunt: its state now or as it was.')
  .argument('<id>', 'the hunt', huntId)
  .option('--at-version <v>', 'as of that version', whole(1))
  .action(async (id: number, options) => (await import('./commands/show.ts')).show(id, options));
client('watch', 'Follow the events of a hunt.')
  .argument('<id>', 'the hunt', huntId)
  .option('--from <version>', 'begin behind that version; 0 = from the first event', whole(0))
  .option('--board', 'the scoreboard as it changes, too')
  .action(async (id: number, options) => (await import('./commands/watch.ts')).watch(id, options));
client('history', 'Print the events of a hunt, with their private parts.')
  .argument('<id>', 'the hunt', huntId)
  .option('--from <version>', 'begin behind that version', whole(0))
  .option('--to <version>', 'up to that version', whole(1))
  .action(async (id: number, options) => (await import('./commands/history.ts')).history(id, options));
client('play', 'Play a hunt, by hand or from a script.')
  .argument('<code>', 'the join code')
  .requiredOption('--name <name>', 'what the others see')
  .option('--script <file>', 'one action as JSON a line; - reads stdin')
  .action(async (code: string, options) => (await import('./commands/play.ts')).play(code, options));
client('token', 'Mint a token from the key file or HUNT_TOKEN_KEY.')
  .requiredOption('--role <role>', 'player, designer or operator')
  .option('--sub <id>', 'the subject (default: the role; a fresh id for players)')
  .option('--hunt <id>', "players only: the hunt, several with commas, or '*'")
  .option('--name <name>', 'a name for people')
  .option('--ttl <duration>', 'how long it is valid, such as 30m, 12h, 7d', '12h')
  .action(async (options) => (await import('./commands/token.ts')).token(options));
client('announce', 'Say something to every player of a hunt.')
  .argument('<id>', 'the hunt', huntId)
  .argument('<text>', '1 to 500 characters')
  .action(async (id: number, text: string, options) =>
    (await import('./commands/announce.ts')).announce(id, text, options),
  );
client('export', 'Print the result of a hunt as CSV.')
  .argument('<id>', 'the hunt', huntId)
  .action(async (id: number, options) => (await import('./commands/export.ts')).exportCsv(id, options));

const ring = program.command('ring').description('Where the slots are.');
client('show', 'Show nodes, slots and owners.', ring).action(async (options) =>
  (await import('./commands/ring-show.ts')).ringShow(options),
);
const several = (text: string, before: readonly string[] = []): string[] => [...before, text];
const change = (command: Command): Command =>
  command
    .option('--weight <node=w>', "a node's weight, 0 to 100 (several times: several)", several)
    .option('--pin <slot=node>', 'keep a slot on a node', several)
    .option('--unpin <slot>', 'let it go where it belongs', several)
    .option('--remove <node>', 'take all slots from a node and let it leave', several)
    .option('--reason <text>', 'why: of the pins, and for the audit trail')
    .option('--for <duration>', 'how long the pins hold, such as 12h (default: for good)');
const number = (text: string): number => {
  if (!/^\d{1,4}(\.\d{1,3})?$/.test(text)) throw new InvalidArgumentError('A number is needed.');
  return Number(text);
};
change(client('plan', 'Say what a change would move, and what that would cost.', ring)).action(async (options) =>
  (await import('./commands/ring-plan.ts')).ringPlan(options),
);
change(client('apply', 'Plan a change, ask, and carry it out: one slot first, then the rest.', ring))
  .option('--yes', 'do not ask')
  .option('--moves-per-s <n>', 'the pace (8)', number)
  .option('--canary-s <n>', 'how long the first slot is watched before the rest moves (2)', whole(0, 3_600))
  .action(async (options) => (await import('./commands/ring-plan.ts')).ringApply(options));
client('rollback', 'Take a change back: moves, weights and pins.', ring)
  .argument('<operation>', 'its id, as ring show lists it')
  .action(async (id: string, options) => (await import('./commands/ring-operation.ts')).ringRollback(id, options));
client('drain', 'Empty a node and let it leave.', ring)
  .argument('<node>', 'its name')
  .option('--stay', 'its process stays')
  .option('--restart', 'its process exits 75, so that its supervisor starts it again')
  .option('--deadline <duration>', 'then what is left moves at once', '2m')
  .option('--no-wait', 'do not wait for the end')
  .action(async (node: string, options) => (await import('./commands/ring-operation.ts')).ringDrain(node, options));
client('roll', 'Restart nodes one after the other, drained: all, or those named.', ring)
  .argument('[nodes...]', 'their names')
  .option('--deadline <duration>', "of each node's drain", '2m')
  .action(async (nodes: string[], options) => (await import('./commands/ring-roll.ts')).ringRoll(nodes, options));
client('freeze', 'Let nothing move but the slots of dead nodes.', ring)
  .requiredOption('--reason <text>', 'why')
  .option('--for <duration>', 'how long, up to 24h', '1h')
  .action(async (options) => (await import('./commands/ring-freeze.ts')).ringFreeze(options));
client('unfreeze', 'Let slots move again.', ring).action(async (options) =>
  (await import('./commands/ring-freeze.ts')).ringUnfreeze(options),
);
client('history', 'Print who changed the cluster, when and why.', ring)
  .option('--from <view>', 'begin behind that view', whole(0))
  .action(async (options) => (await import('./commands/ring-history.ts')).ringHistory(options));

client('verify', 'Check the log: holes, forks, vectors, second effects, damage.', log)
  .option('--hunt <id>', 'only this hunt', huntId)
  .option('--slot <n>', 'only this slot', whole(0, 255))
  .action(async (options) => (await import('./commands/log-verify.ts')).logVerify(options));

const projections = program.command('projections').description('What PostgreSQL holds of the hunts.');
client('lag', 'Show how far it is behind the log.', projections).action(async (options) =>
  (await import('./commands/projections.ts')).projectionsLag(options),
);
client('rebuild', 'Make it anew from log and archive, while play goes on.', projections)
  .option('--hunt <id>', 'only this hunt', huntId)
  .option('--all', 'everything')
  .action(async (options) => (await import('./commands/projections.ts')).projectionsRebuild(options));

client('bench', 'Load the cluster over gRPC and measure it.')
  .option('--hunts <n>', 'hunts that are made for it', whole(1, 10_000), 100)
  .option('--players <n>', 'players in each', whole(1, 100_000), 70)
  .option('--in-flight <n>', 'commands that a player keeps open', whole(1, 16), 4)
  .option('--seconds <n>', 'how long to measure', whole(1, 86_400), 30)
  .option('--target-eps <n>', 'fail below so many acks a second', whole(1))
  .option('--target-p99-ms <n>', 'fail above this latency', whole(1))
  .option('--grpc <host:port>', 'where gRPC listens (default: cluster.json of --data-dir)')
  .action(async (options) => (await import('./commands/bench.ts')).bench(options));

async function main(): Promise<number> {
  // Before any subcommand is added to, so that all of them throw instead of exiting.
  const every = (command: Command): void => {
    command.exitOverride();
    for (const sub of command.commands) every(sub);
  };
  every(program);
  let code: number = exitCode.done;
  process.exitCode = code;
  try {
    await program.parseAsync();
    code = Number(process.exitCode ?? exitCode.done);
  } catch (error) {
    const failure = failureOf(error);
    for (const line of failure.lines) process.stderr.write(`${line}\n`);
    code = failure.exit;
  }
  return code;
}

// A reader that went away (`| head`) has had enough: that is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(exitCode.done);
  throw error;
});
process.exitCode = await main();
// Only what was written must still go out; connections that idle must not keep us.
process.stdout.write('', () => process.exit());
