import type { RequestListener, Server, ServerOptions } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { parseAction } from '../../actors/hunt/action.ts';
import { Router } from '../../gateway/act/router.ts';
import { buildAdmin } from '../../gateway/admin/admin.ts';
import { LogEventReader } from '../../gateway/admin/log-event-reader.ts';
import { operationsOf } from '../../gateway/admin/operations/operations.ts';
import { packagedWebRoot } from '../../gateway/admin/routes/pages.ts';
import { DefinitionDesk } from '../../gateway/definition/definition-desk.ts';
import { ShadowDesk } from '../../gateway/definition/shadow-desk.ts';
import { LiveGateway } from '../../gateway/socket/live-gateway.ts';
import { liveMetrics } from '../../gateway/socket/live-metrics.ts';
import { routeUpgrades } from '../../gateway/socket/upgrade.ts';
import { WaitingRoom } from '../../gateway/socket/waiting-room.ts';
import { Accuser } from '../accuser.ts';
import { LinkWatch } from '../link-watch.ts';
import { ViewPlacement } from '../placement.ts';
import { StandInPlacement } from '../stand-in-placement.ts';
import { ViewLog } from '../view-log.ts';
import { connectBackend } from './backend.ts';
import { ClusterControl } from './cluster-desk.ts';
import type { Config } from './config.ts';
import { DescribedCluster } from './describe-cluster.ts';
import { openGatewayStore } from './gateway-store.ts';
import { grpcCredentials } from './grpc-credentials.ts';
import { publicEvents, showEvent } from './hunt-events.ts';
import { askInside } from './inside.ts';
import { connectTo } from './link-address.ts';
import { logCheck } from './log-check.ts';
import { registerMetrics, viewMetrics } from './metrics.ts';
import type { Check } from './probe-http.ts';
import { relayed } from './relay-status.ts';
import { type RoleContext, type RunningRole, runRole } from './role-process.ts';
import { scoreboardCache } from './scoreboard-cache.ts';
import { mintingTokens, readTlsPair } from './secrets.ts';

/** Clients of a gateway that stops come back spread over this time. */
const returnMsMax = 2_000;
/** For close frames to leave. */
const drainMs = 200;
/** For gRPC calls that are under way. */
const ingestMsMax = 1_000;

/** `hunt gateway`: sockets, HTTP and gRPC. Returns the exit code. */
export const runGateway = (config: Config, warnings: readonly string[] = []): Promise<number> =>
  runRole(config, config.nodeId ?? 'gateway', warnings, startGateway);

async function startGateway(context: RoleContext): Promise<RunningRole> {
  const { config, name, clock, random, timers, logger, registry } = context;
  const tokens = mintingTokens(config, clock, random);
  const tls = readTlsPair(config);
  const backend = await connectBackend(config, logger);
  const viewLog = await ViewLog.open({ ...backend, clock, random, timers });
  const metrics = registerMetrics(registry, { ...viewMetrics, ...liveMetrics });
  metrics.gauge('hunt_view', viewLog.view.number);
  viewLog.onChange((view) => metrics.gauge('hunt_view', view.number));
  const accuser = new Accuser(name, {
    viewLog,
    clock,
    said: (id, what) => logger.warn({ node: id }, `a node ${what}`),
  });
  const placement = new StandInPlacement({
    view: viewLog,
    placement: new ViewPlacement(viewLog),
    unsaidMs: (id, incarnation) => accuser.unsaidMs(id, incarnation),
  });
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
    refused: () => linkWatch.look(),
  });
  const linkWatch = new LinkWatch({
    view: viewLog,
    accuser,
    clock,
    timers,
    links: () => router.links(),
    looked: () => placement.look(),
  });
  let listening = false;
  const checks = (): Check[] => [
    logCheck(config, backend, clock),
    { name: 'view', ok: viewLog.view.owners.every((owner) => owner !== undefined) },
    { name: 'listening', ok: listening },
  ];
  const live = new LiveGateway({
    route: router,
    log: backend.log,
    feed: backend.feed,
    reader: publicEvents,
    verifyToken: (token) => tokens.verifyToken(token),
    parseAction,
    clock,
    timers,
    random,
    metrics,
    report: (session, error) => logger.error({ session, err: error }, 'a fault of ours ended a connection'),
    config: {
      origins: config.origins,
      socketsMax: config.socketsMax,
      playerRate: config.ratePlayer,
      socketRate: config.rateSocket,
      addressRate: config.rateAddress,
    },
  });
  const definitions = new DefinitionDesk(timers);
  const shadows = new ShadowDesk(backend.log, clock, timers);
  const scoreboards = scoreboardCache(context);
  const store = await openGatewayStore(context, backend.log, () => viewLog.view.lineage);
  const lag = async () => ({
    projection: await store.projectionLag(),
    ...(await relayed(config, backend, clock.now())),
  });
  const described = new DescribedCluster(viewLog, askInside(tokens, clock), lag, clock);
  const operations = operationsOf({
    clock,
    timers,
    random,
    route: router,
    tokens,
    events: new LogEventReader(backend.log, showEvent),
    cluster: new ClusterControl(viewLog, described, backend.log, clock),
    ...(store.catalog === undefined ? {} : { catalog: store.catalog }),
    scoreboards,
    parseDefinition: definitions.parse,
    shadowRun: (huntId, definition) => shadows.run(huntId, definition),
    admitAct: (player) => live.admitAct(player),
    readiness: checks,
    metrics: registry,
    journal: logger,
  });
  const makeServer =
    tls === undefined
      ? {}
      : {
          makeServer: (options: ServerOptions, listener: RequestListener) =>
            createTlsServer({ ...options, ...tls }, listener) as unknown as Server,
        };
  const admin = await buildAdmin(operations, { origins: config.origins, webRoot: packagedWebRoot(), ...makeServer });
  live.onRoom = WaitingRoom.before(admin.server, { timers, hasRoom: () => live.hasRoom }).look;
  routeUpgrades(admin.server, live);
  await admin.listen({ host: config.host, port: config.httpPort });
  const { buildIngest } = await import('../../gateway/ingest/ingest.ts');
  const ingest = buildIngest(operations);
  const credentials = await grpcCredentials(config);
  await new Promise<void>((resolve, reject) =>
    ingest.bindAsync(`${config.host}:${config.grpcPort}`, credentials, (error) =>
      error === null ? resolve() : reject(error),
    ),
  );
  listening = true;
  return {
    checks,
    stop: async () => {
      listening = false;
      // Streams that end by themselves are let: integrators then know the outcome of what they sent.
      const ingested = new Promise<void>((resolve) => ingest.tryShutdown(() => resolve()));
      const patience = new Promise<void>((resolve) => timers.after(drainMs, resolve));
      await live.drain(returnMsMax);
      await Promise.race([
        Promise.all([ingested, patience]),
        new Promise<void>((resolve) => timers.after(ingestMsMax, resolve)),
      ]);
      live.close();
      linkWatch.close();
      router.close();
      definitions.close();
      shadows.close();
      scoreboards.close();
      ingest.forceShutdown();
      await admin.close();
      viewLog.close();
      await store.close();
      await backend.close();
    },
  };
}
