/** Whether a NATS server can carry a cluster, and what its settings mean for what is lost when. */
import type { AccountInfo } from './jetstream-api.ts';
import { logBytesMaxDefault, pageBytesMaxDefault, type StreamOptions, slotBytesMax } from './stream-config.ts';

/** Direct gets and republishing came with it. */
const versionMin = [2, 9, 0] as const;
/** Before, a clustered stream could let several conditional publishes win (nats-server issue 4320). */
const clusteredVersionMin = [2, 9, 21] as const;
const syncSettingSince = [2, 10, 0] as const;
/** A turn's record and a page should fit into one message. */
const payloadBytesMin = 256 * 1024;
const streamCount = 3;

export interface ServerFacts {
  readonly version: string;
  readonly payloadBytesMax: number;
  /** Undefined: it has no JetStream for us; then `trouble` says what it answered. */
  readonly account: AccountInfo | undefined;
  readonly trouble?: string;
}

export interface ServerJudgement {
  /** Each is a reason to refuse it, as a sentence. */
  readonly faults: readonly string[];
  /** What an operator should know, as sentences. */
  readonly notes: readonly string[];
}

export function judgeServer(facts: ServerFacts, options: StreamOptions): ServerJudgement {
  const { version, payloadBytesMax, account } = facts;
  const { replicas = 1, logBytesMax = logBytesMaxDefault, pageBytesMax = pageBytesMaxDefault } = options;
  const faults: string[] = [];
  if (isBelow(version, versionMin))
    faults.push(`nats-server ${version} is too old: at least 2.9.0 is needed, for direct gets and republishing`);
  if (replicas > 1 && isBelow(version, clusteredVersionMin))
    faults.push(
      `nats-server ${version} must not hold the log on ${replicas} servers: before 2.9.21 (or 2.10) several conditional publishes of one clustered stream could win, which would fork hunts; update it, or use 1 replica`,
    );
  if (![1, 3, 5].includes(replicas)) faults.push(`${replicas} replicas: JetStream needs 1, 3 or 5`);
  if (payloadBytesMax < payloadBytesMin)
    faults.push(
      `max_payload of the NATS server is ${payloadBytesMax}: at least ${payloadBytesMin} is needed, 1048576 is its default`,
    );
  if (account === undefined)
    faults.push(
      `JetStream is not enabled${facts.trouble === undefined ? '' : ` (${facts.trouble})`}: start nats-server with -js, or enable it for this account`,
    );
  else {
    const wanted = (logBytesMax + pageBytesMax + slotBytesMax) * replicas;
    const limits = account.tiers === undefined ? account.limits : account.tiers[`R${replicas}`]?.limits;
    const { max_storage: most = 0, max_streams: streams = 0 } = limits ?? {};
    if (most >= 0 && most < wanted)
      faults.push(
        `the account may store ${most} bytes in JetStream: the three streams of this cluster reserve ${wanted}`,
      );
    if (streams >= 0 && streams < streamCount)
      faults.push(`the account may have ${streams} streams in JetStream: a cluster needs ${streamCount}`);
  }
  return { faults, notes: [syncNote(version, replicas)] };
}

function syncNote(version: string, replicas: number): string {
  const window = isBelow(version, syncSettingSince)
    ? `nats-server ${version} syncs its files every 2 minutes and cannot be told otherwise`
    : `nats-server ${version} syncs its files as its setting jetstream.sync_interval says, which no client can read: every 2 minutes, unless it is configured; "always" loses nothing`;
  return replicas === 1
    ? `${window}: killing the server loses nothing that was acknowledged, a loss of power up to that much`
    : `${window}: with ${replicas} replicas, what was acknowledged is lost only if a majority of the servers loses power within that time`;
}

function isBelow(version: string, least: readonly number[]): boolean {
  const parts = version.split(/[.-]/).map(Number);
  for (const [i, part] of least.entries()) {
    const own = parts[i] ?? 0;
    if (own !== part) return !(own > part);
  }
  return false;
}
