import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse } from 'yaml';
import { v8Flags } from './child-plans.ts';
import { environmentKeys, loadConfig, type Role } from './config.ts';
import { packageRoot } from './package-root.ts';
import { requireServer } from './servers/require-server.ts';

interface Service {
  readonly image: string;
  readonly entrypoint?: readonly string[];
  readonly command?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly volumes?: readonly string[];
  readonly secrets?: readonly string[];
  readonly depends_on?: Readonly<Record<string, object>>;
  readonly healthcheck?: { readonly test: readonly string[] };
  readonly ports?: readonly string[];
}

const root = packageRoot();
const compose = parse(readFileSync(join(root, 'deploy', 'compose.yaml'), 'utf8'), { merge: true }) as {
  readonly services: Readonly<Record<string, Service>>;
  readonly secrets: Readonly<Record<string, { file: string }>>;
  readonly volumes: Readonly<Record<string, unknown>>;
};
const services = Object.entries(compose.services);
const ours = services.filter(([, service]) => service.entrypoint?.includes('dist/cluster/cli/hunt.js') === true);
const roleOf = (service: Service): Role => service.entrypoint?.at(-1) as Role;
const named = (role: string) => ours.filter(([, service]) => roleOf(service) === role).map(([name]) => name);

describe('deploy/compose.yaml', () => {
  it('has the full production shape', () => {
    assert.deepEqual(named('node'), ['n1', 'n2', 'n3', 'n4', 'n5', 'n6', 'n7', 'n8', 'n9']);
    assert.ok(named('gateway').length >= 2);
    assert.ok(named('projector').length >= 1);
    assert.deepEqual(named('relay'), ['relay']);
    for (const [prefix, count] of [
      ['kafka-', 3],
      ['nats-', 3],
      ['citus-worker-', 2],
      ['redis-', 2],
    ] as const)
      assert.equal(services.filter(([name]) => name.startsWith(prefix)).length, count, prefix);
  });

  it('gives every process of ours a configuration without a fault or an unknown name', () => {
    const folder = mkdtempSync(join(tmpdir(), 'hunt-deploy-'));
    try {
      for (const [name, { environment = {} }] of ours) {
        const { config, warnings } = loadConfig(roleOf(compose.services[name] as Service), {
          env: environment,
          cwd: folder,
        });
        assert.deepEqual(warnings, [], name);
        assert.equal(config.profile, 'kafka', name);
        assert.equal(config.nodeId, name);
        for (const key of Object.keys(environment))
          assert.ok(environmentKeys.has(key), `${name}: ${key} is no setting`);
      }
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('starts each with a role that exists and the flags of V8 that hunt up would give it', () => {
    const help = execFileSync(process.execPath, [join(import.meta.dirname, '..', 'cli', 'hunt.js'), '--help'], {
      encoding: 'utf8',
    });
    for (const [name, service] of ours) {
      const role = roleOf(service);
      assert.match(help, new RegExp(`^ {2}${role} `, 'm'), `${name}: hunt ${role} is no command`);
      assert.deepEqual(service.entrypoint?.slice(1, -2), v8Flags[role as keyof typeof v8Flags] ?? [], name);
    }
  });

  it('lists every node among the members, and names no server that is not there', () => {
    for (const [name, { environment = {} }] of ours) {
      if (environment.HUNT_MEMBERS !== undefined) assert.deepEqual(environment.HUNT_MEMBERS.split(','), named('node'));
      const addresses = [
        ...(environment.HUNT_KAFKA_BROKERS ?? '').split(',').map((broker) => broker.split(':')[0]),
        ...(environment.HUNT_NATS_URL ?? '').split(',').map((url) => new URL(url).hostname),
        ...['HUNT_PG_URL', 'HUNT_REDIS_URL', 'HUNT_ALARM_REDIS_URL'].map(
          (key) => new URL(environment[key] ?? '').hostname,
        ),
        environment.HUNT_ADVERTISE,
      ];
      for (const host of addresses) assert.ok(host !== undefined && host in compose.services, `${name}: ${host}`);
    }
  });

  it('checks the health of everything that stays, mounts what it names, and depends on what there is', () => {
    for (const [name, service] of services) {
      if (name !== 'citus-members') assert.ok(service.healthcheck !== undefined, `${name} has no health check`);
      for (const volume of service.volumes ?? []) {
        const [source = ''] = volume.split(':');
        assert.ok(
          source.startsWith('./') ? existsSync(join(root, 'deploy', source)) : source in compose.volumes,
          volume,
        );
      }
      for (const secret of service.secrets ?? []) assert.ok(secret in compose.secrets, `${name}: secret ${secret}`);
      for (const other of Object.keys(service.depends_on ?? {}))
        assert.ok(other in compose.services, `${name}: ${other}`);
    }
  });

  it('asks each of ours for its health at the port on which it answers', () => {
    for (const [name, service] of ours) {
      const { config } = loadConfig(roleOf(service), { env: service.environment ?? {}, cwd: tmpdir() });
      const [, program, script = '', port] = service.healthcheck?.test ?? [];
      assert.deepEqual([program, port], ['node', String(config.httpPort)], name);
      assert.ok(existsSync(join(root, script)), script);
    }
  });

  it('lets the cache evict and the alarms not', () => {
    const policy = (name: string) => {
      const command = compose.services[name]?.command ?? [];
      return command[command.indexOf('--maxmemory-policy') + 1];
    };
    assert.equal(policy('redis-cache'), 'allkeys-lru');
    assert.equal(policy('redis-alarms'), 'noeviction');
    assert.notEqual(ours[0]?.[1].environment?.HUNT_REDIS_URL, ours[0]?.[1].environment?.HUNT_ALARM_REDIS_URL);
  });

  it('publishes the gateways and nothing else', () => {
    for (const [name, service] of services)
      assert.equal((service.ports ?? []).length > 0, named('gateway').includes(name), name);
  });
});

describe('deploy/Dockerfile', () => {
  const text = readFileSync(join(root, 'deploy', 'Dockerfile'), 'utf8');

  it('copies what exists, and everything that the package needs to run', () => {
    const copied = [...text.matchAll(/^COPY --from=build \/app\/(\S+)/gm)].map((match) => match[1] as string);
    for (const path of copied)
      assert.ok(path === 'dist' || existsSync(join(root, path)), `${path} is copied and does not exist`);
    for (const path of ['package.json', 'node_modules', 'dist', 'gateway/web', 'deploy/ready.mjs'])
      assert.ok(copied.includes(path), `${path} is not copied`);
  });

  it('has a base of the Node that the package asks for', () => {
    const { engines } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { engines: { node: string } };
    const major = /\d+/.exec(engines.node)?.[0];
    for (const [, base] of text.matchAll(/^FROM node:(\d+)/gm)) assert.equal(base, major);
  });
});

describe('deploy/nats.conf', () => {
  it('is read by nats-server', function () {
    requireServer(this, 'nats');
    const folder = mkdtempSync(join(tmpdir(), 'hunt-nats-'));
    const judge = (text: string): string => {
      const file = join(folder, 'nats.conf');
      writeFileSync(file, text);
      const { status, stderr } = spawnSync('nats-server', ['-t', '-c', file], { encoding: 'utf8' });
      return status === 0 ? '' : stderr;
    };
    try {
      const text = readFileSync(join(root, 'deploy', 'nats.conf'), 'utf8');
      let verdict = judge(text);
      // Servers before 2.10 do not know this one; the image is newer.
      if (verdict.includes('unknown field "sync_interval"')) verdict = judge(text.replace(/^ *sync_interval:.*$/m, ''));
      assert.equal(verdict, '');
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
