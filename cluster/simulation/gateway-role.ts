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
import { publicEvents, showEvent } from '../host/hunt-events.ts';
import { LinkWatch } from '../link-watch.ts';
import { ViewPlacement } from '../placement.ts';
import { ViewLog } from '../view-log.ts';
import { logAddr } from './log-role.ts';
import type { Network } from './network.ts';
import type { SimProcess } from './sim-process.ts';

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

export async function runGateway(parts: GatewayParts): Promise<RunningGateway> {
  const { process, network, metrics } = parts;
  const { clock, timers, random, name } = process;
  const sockets = network.socketsOf(process);
  const log = await EmbeddedLog.connect({ socketPath: logAddr, clock, timers, random, sockets });
  const viewLog = await ViewLog.open({ log, feed: log, clock, random, timers });
  const router: Router = new Router({
    placement: new ViewPlacement(viewLog),
    connect: (addr) => sockets.connect(addr),
    clock,
    timers,
    random,
    name,
    newerView: () => void viewLog.catchUp().catch(() => undefined),
    refused: () => linkWatch.look(),
  });
  const accuser = new Accuser(name, { viewLog, clock });
  const linkWatch: LinkWatch = new LinkWatch({ view: viewLog, accuser, clock, timers, links: () => router.links() });
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
    cluster: undefined as unknown as AdminPorts['cluster'],
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
  return { router, live, operations, viewLog };
}
