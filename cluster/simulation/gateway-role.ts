/** A gateway in the simulation: the real router, sockets, fan-out and operations, on simulated ports. HTTP and gRPC are left out. */
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { Registry } from 'prom-client';
import { parseAction } from '../../actors/hunt/action.ts';
import { Router } from '../../gateway/act/router.ts';
import { LogEventReader } from '../../gateway/admin/log-event-reader.ts';
import { type Operations, operationsOf } from '../../gateway/admin/operations/operations.ts';
import type { AdminPorts } from '../../gateway/admin/ports.ts';
import { LiveGateway } from '../../gateway/socket/live-gateway.ts';
import type { LiveMetrics } from '../../gateway/socket/live-metrics.ts';
import type { Claims } from '../../gateway/token/claims.ts';
import { EmbeddedLog } from '../../runtime/log/embedded/client.ts';
import { Accuser } from '../accuser.ts';
import { ClusterControl } from '../host/cluster-desk.ts';
import { DescribedCluster } from '../host/describe-cluster.ts';
import { publicEvents, showEvent } from '../host/hunt-events.ts';
import { LinkWatch } from '../link-watch.ts';
import { ViewPlacement } from '../placement.ts';
import { StandInPlacement } from '../stand-in-placement.ts';
import { ViewLog } from '../view-log.ts';
import { logAddr } from './log-role.ts';
import type { Network } from './network.ts';
import type { SimProcess } from './sim-process.ts';

/** As cluster/host/gateway.ts has them. */
const returnMsMax = 2_000;
const drainMs = 200;

export interface GatewayParts {
  readonly process: SimProcess;
  readonly network: Network;
  readonly parseDefinition: AdminPorts['parseDefinition'];
  readonly hotSubscribers: number;
  readonly metrics: LiveMetrics;
  /** A fault of ours, met by a session. */
  readonly fault: (what: string, error: unknown) => void;
}

export interface RunningGateway {
  readonly router: Router;
  readonly live: LiveGateway;
  readonly operations: Operations;
  readonly viewLog: ViewLog;
  /** Sends everybody away, and ends. */
  leave(): Promise<void>;
}

export const socketAddr = (gateway: string): string => `/run/${gateway}.ws`;

/** Claims as they are: signatures are not what is simulated. */
export const simToken = (claims: Claims): string => Buffer.from(JSON.stringify(claims)).toString('base64url');

function readSimToken(token: string): Claims | undefined {
  try {
    return JSON.parse(Buffer.from(token, 'base64url').toString()) as Claims;
  } catch {
    return undefined;
  }
}

/** What a client's upgrade says; every one is alike. */
const upgradeRequest = (protocol: string, remoteAddress: string): IncomingMessage =>
  ({
    method: 'GET',
    url: '/v1/socket',
    headers: {
      upgrade: 'websocket',
      connection: 'Upgrade',
      'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
      'sec-websocket-version': '13',
      'sec-websocket-protocol': protocol,
    },
    socket: { remoteAddress },
  }) as unknown as IncomingMessage;

const unasked = (): Promise<never> => Promise.reject(new Error('there is no HTTP here'));

export async function runGateway(parts: GatewayParts): Promise<RunningGateway> {
  const { process, network, metrics } = parts;
  const { clock, timers, random, name } = process;
  const sockets = network.socketsOf(process);
  const log = await EmbeddedLog.connect({ socketPath: logAddr, clock, timers, random, sockets });
  const viewLog = await ViewLog.open({ log, feed: log, clock, random, timers });
  const accuser = new Accuser(name, { viewLog, clock });
  const placement = new StandInPlacement({
    view: viewLog,
    placement: new ViewPlacement(viewLog),
    unsaidMs: (id, incarnation) => accuser.unsaidMs(id, incarnation),
  });
  const router: Router = new Router({
    placement,
    connect: (addr) => sockets.connect(addr),
    clock,
    timers,
    random,
    name,
    newerView: () => void viewLog.catchUp().catch(() => undefined),
    refused: () => linkWatch.look(),
  });
  const linkWatch: LinkWatch = new LinkWatch({
    view: viewLog,
    accuser,
    clock,
    timers,
    links: () => router.links(),
    looked: () => placement.look(),
  });
  const live = new LiveGateway({
    route: router,
    log,
    feed: log,
    reader: publicEvents,
    verifyToken: async (token) => readSimToken(token),
    parseAction,
    clock,
    timers,
    random,
    metrics,
    config: { hotSubscribers: parts.hotSubscribers, addressRate: { perSecond: 10_000, burst: 10_000 } },
    report: (session, error) => parts.fault(`${name}: session ${session}`, error),
  });
  const operations = operationsOf({
    clock,
    timers,
    random,
    route: router,
    tokens: { mintToken: async (claims: object) => simToken(claims as Claims) } as unknown as AdminPorts['tokens'],
    events: new LogEventReader(log, showEvent),
    // Nodes have no HTTP here, so that nobody is asked for its load.
    cluster: new ClusterControl(
      viewLog,
      new DescribedCluster(viewLog, unasked, async () => ({ projection: { events: 0, seconds: 0 } }), clock),
      log,
      clock,
    ),
    scoreboards: { read: async () => undefined, keep: () => undefined },
    parseDefinition: parts.parseDefinition,
    shadowRun: () => Promise.reject(new Error('nobody asks for a shadow run here')),
    admitAct: (player) => live.admitAct(player),
    readiness: () => [],
    metrics: new Registry(),
    journal: { error: (facts, message) => parts.fault(`${name}: ${message}`, facts) },
  });
  await sockets.listen(socketAddr(name), (socket: Duplex) =>
    live.handleUpgrade(upgradeRequest('hunt.v1.json', 'client'), socket, Buffer.alloc(0)),
  );
  return {
    router,
    live,
    operations,
    viewLog,
    leave: async () => {
      const patience = new Promise<void>((resolve) => timers.after(drainMs, resolve));
      await live.drain(returnMsMax);
      await patience;
      live.close();
      linkWatch.close();
      router.close();
      viewLog.close();
      await log.close();
    },
  };
}
