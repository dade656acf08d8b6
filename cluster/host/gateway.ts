import { readFileSync } from 'node:fs';
import { createServer, type RequestListener, type Server, type ServerOptions } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { parseDefinition } from '../../actors/hunt/definition.ts';
import { Router } from '../../gateway/act/router.ts';
import { buildAdmin } from '../../gateway/admin/admin.ts';
import { LogEventReader } from '../../gateway/admin/log-event-reader.ts';
import { operationsOf } from '../../gateway/admin/operations/operations.ts';
import { packagedWebRoot } from '../../gateway/admin/routes/pages.ts';
import { Tokens } from '../../gateway/token/tokens.ts';
import { ViewPlacement } from '../placement.ts';
import { ViewLog } from '../view-log.ts';
import { connectBackend } from './backend.ts';
import { type Config, ConfigError } from './config.ts';
import { DescribedCluster } from './describe-cluster.ts';
import { connectTo } from './link-address.ts';
import { registerMetrics, viewMetrics } from './metrics.ts';
import type { Check } from './probe-http.ts';
import { type RoleContext, type RunningRole, runRole } from './role-process.ts';
import { readTokenKeys } from './secrets.ts';

/** `hunt gateway`: sockets, HTTP and gRPC. Returns the exit code. */
export const runGateway = (config: Config, warnings: readonly string[] = []): Promise<number> =>
  runRole(config, config.nodeId ?? 'gateway', warnings, startGateway);

async function startGateway({
  config,
  name,
  clock,
  random,
  timers,
  logger,
  registry,
}: RoleContext): Promise<RunningRole> {
  const tokens = new Tokens(clock, random, readTokenKeys(config));
  const backend = await connectBackend(config);
  const viewLog = await ViewLog.open({ log: backend.log, feed: backend.feed, clock, random, timers });
  const metrics = registerMetrics(registry, viewMetrics);
  const placement = new ViewPlacement(viewLog);
  const catchUp = () =>
    viewLog.catchUp().catch((error: unknown) => logger.warn({ err: error }, 'a newer view could not be read'));
  const router = new Router({
    placement,
    connect: connectTo,
    clock,
    timers,
    random,
    name,
    newerView: () => void catchUp(),
  });
  let listening = false;
  const checks = (): Check[] => [
    { name: 'log', ok: backend.state().up },
    { name: 'view', ok: viewLog.view.owners.every((owner) => owner !== undefined) },
    { name: 'listening', ok: listening },
  ];
  const operations = operationsOf({
    clock,
    timers,
    random,
    route: router,
    tokens,
    events: new LogEventReader(backend.log, (event) => ({ ...event })),
    cluster: new DescribedCluster(viewLog),
    parseDefinition,
    readiness: checks,
    metrics: registry,
    journal: logger,
  });
  const admin = await buildAdmin(operations, { origins: config.origins, webRoot: packagedWebRoot() });
  await admin.listen({ host: config.host, port: config.httpPort });
  const { buildIngest } = await import('../../gateway/ingest/ingest.ts');
  const ingest = buildIngest(operations);
  const { ServerCredentials } = await import('@grpc/grpc-js');
  await new Promise<void>((resolve, reject) =>
    ingest.bindAsync(`${config.host}:${config.grpcPort}`, ServerCredentials.createInsecure(), (error) =>
      error === null ? resolve() : reject(error),
    ),
  );
  listening = true;
  return {
    checks,
    stop: async () => {
      listening = false;
      router.close();
      ingest.forceShutdown();
      await admin.close();
      viewLog.close();
      await backend.close();
    },
  };
}
