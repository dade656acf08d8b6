/**
 * What faults are tried on: a cluster of three nodes and two gateways on servers of its own, players who never stop unless told,
 * and bells.
 *
 * Owns: all of these. Judges by what players saw and what the log holds; what PostgreSQL holds is compared with the log too.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { ClusterProcess } from '../cluster-process.ts';
import { Crowd, type Member, type Wait } from '../crowd.ts';
import { until, within } from '../deadline.ts';
import { foldBoard, judgeBoard } from '../judge/board.ts';
import { type Fault, told } from '../judge/fault.ts';
import { type PrivateServers, type Profile, privateServers } from '../profile-servers.ts';
import type { BoardRow, FullEvent } from '../wire.ts';
import { Bells } from './bells.ts';
import { roleOf, type Target } from './blow.ts';
import { judgeRows } from './judge-rows.ts';
import { type Latency, latencyOf, type Phase } from './latency.ts';
import { OwnPostgres } from './own-postgres.ts';
import { readRows, withPostgres } from './stored-rows.ts';
import { KnownFaults } from './verdict.ts';

/** From the moment at which everything is there again. */
const recoverMsMax = 30_000;
const bellEveryMs = 3_000;
/** Long: others may use the machine. */
const readyMs = 90_000;
/** For a command of an operator's; a rebuild of what these players have done, too. */
const commandMsMax = 60_000;
/** A dead cache costs a board some time, and no more. */
const boardMsMax = 3_000;
const huntEntry = fileURLToPath(new URL('../../../cli/hunt.js', import.meta.url));

interface Lag {
  readonly events: number;
  readonly seconds: number;
}

export interface BedOptions {
  readonly hunts: number;
  readonly perHunt: number;
  /** Between two actions of a player. */
  readonly everyMs: number;
}
export const bedDefaults: BedOptions = { hunts: 6, perHunt: 2, everyMs: 200 };

export class FaultBed {
  readonly #known = new KnownFaults();

  private constructor(
    readonly profile: Profile,
    readonly options: BedOptions,
    readonly servers: PrivateServers,
    readonly cluster: ClusterProcess,
    readonly crowd: Crowd,
    readonly bells: Bells,
    readonly postgres: Target & { readonly url: string },
  ) {}

  static async make(profile: Profile, options: BedOptions = bedDefaults): Promise<FaultBed> {
    const servers = await privateServers(profile);
    let cluster: ClusterProcess | undefined;
    try {
      cluster = await ClusterProcess.start({ nodes: 3, gateways: 2, store: true, env: servers.env, readyMs });
      const crowd = await Crowd.gather(cluster, options);
      const bells = await Bells.hang(cluster, bellEveryMs);
      const postgres = profile === 'embedded' ? new OwnPostgres(cluster.dataDir) : servers.postgres;
      return new FaultBed(profile, options, servers, cluster, crowd, bells, postgres);
    } catch (error) {
      await cluster?.stopAndRemove();
      await servers.close();
      throw error;
    }
  }

  async close(): Promise<void> {
    await this.crowd.stop();
    await this.cluster.stopAndRemove();
    await this.servers.close();
  }

  /** One of our own processes. */
  role(name: string): Target {
    return roleOf(this.cluster, name);
  }

  get hunts(): number[] {
    return [...new Set(this.crowd.members.map(({ hunt }) => hunt.hunt_id))];
  }

  /** Resolves when everybody had so many actions acknowledged that were sent after this call. */
  async allPlay(times = 1, ms = recoverMsMax): Promise<void> {
    const since = performance.now();
    for (const member of this.crowd.members)
      await until(
        `${times} actions of ${nameOf(member)} to be accepted (${member.player.errs.slice(-2).join('; ')})`,
        ms,
        () => sentSince(member, since) >= times,
      );
  }

  /** Actions that were sent after `from` and acknowledged before `to`. */
  ackedWithin(from: number, to: number): number {
    return this.crowd.members.reduce(
      (sum, { waits }) => sum + waits.filter(({ sentAt, ms }) => sentAt >= from && sentAt + ms < to).length,
      0,
    );
  }

  /** Until the last of them had an action accepted that was sent after `since`. */
  sentAndAckedAfter(since: number): number {
    return this.#lastOfFirst((wait) => wait.sentAt >= since) - since;
  }

  /** Until the last of them had any action accepted after `since`. */
  ackedAfter(since: number): number {
    return this.#lastOfFirst((wait) => wait.sentAt + wait.ms >= since) - since;
  }

  #lastOfFirst(counts: (wait: Wait) => boolean): number {
    return Math.max(
      ...this.crowd.members.map(({ waits }) => Math.min(...waits.filter(counts).map(({ sentAt, ms }) => sentAt + ms))),
    );
  }

  latency(phases: readonly Phase[]): Latency {
    return latencyOf(
      this.crowd.members.flatMap(({ waits }) => waits),
      phases,
    );
  }

  /** While everybody rests: all that is wrong and was not known before. */
  async judge(): Promise<Fault[]> {
    const played = await this.crowd.verdict();
    const rows = await this.#judgeRows();
    await until('GET /v1/cluster to say that projections lag by nothing', recoverMsMax, async () => {
      return (await this.lag()).projection.events === 0;
    });
    return this.#known.fresh([...played, ...(await this.bells.judge()), ...rows]);
  }

  /** Rows follow the log: they are wrong if they still are after a while. */
  async #judgeRows(): Promise<Fault[]> {
    let faults: Fault[] = [];
    const hunts = [...this.hunts, this.bells.hunt];
    await until('the rows to say what the log says', recoverMsMax, () =>
      withPostgres(this.postgres.url, async (client) => {
        faults = [];
        for (const hunt of hunts) faults.push(...judgeRows(await this.history(hunt), await readRows(client, hunt)));
        return faults.length === 0;
      }),
    ).catch((error: Error) => {
      if (faults.length === 0) throw error;
    });
    return faults;
  }

  history(hunt: number): Promise<FullEvent[]> {
    return this.cluster.history(hunt);
  }

  /** What `GET /v1/cluster` says of those who follow the log. */
  async lag(): Promise<{ readonly projection: Lag; readonly relay?: Lag }> {
    const cluster = await this.cluster.expect<{ lag: { projection: Lag; relay?: Lag } }>('GET', '/v1/cluster', {
      token: this.cluster.tokens.operator,
    });
    return cluster.lag;
  }

  /**
   * The scoreboard of every hunt, asked now: what the log said at the version that the board names. People play on, so the
   * history is read afterwards and cut there.
   */
  async boardsAgree(): Promise<void> {
    for (const hunt of this.hunts) {
      const asked = performance.now();
      const board = await this.cluster.expect<{ version: number; entries: BoardRow[] }>(
        'GET',
        `/v1/hunts/${hunt}/scoreboard?limit=1000`,
      );
      const tookMs = performance.now() - asked;
      assert.ok(tookMs < boardMsMax, `a scoreboard took ${tookMs.toFixed(0)} ms`);
      const history = (await this.history(hunt)).slice(0, board.version);
      assert.equal(history.length, board.version, 'a board is ahead of the log');
      const faults = judgeBoard(board.entries, foldBoard(history, 'solo'));
      assert.equal(faults.length, 0, `hunt ${hunt}: ${told(faults)}`);
    }
  }

  /** Live events have reached everybody, whatever carries them. */
  async everybodySeesEverything(): Promise<void> {
    for (const member of this.crowd.members) {
      const { hunt, player } = member;
      const { head } = await this.cluster.expect<{ head: number }>('GET', `/v1/hunts/${hunt.hunt_id}/events?limit=1`);
      await until(`${nameOf(member)} to hold version ${head}`, recoverMsMax, () => (player.judge.cursor ?? 0) >= head);
    }
  }

  /** Runs `hunt` as an operator would, and gives what it wrote as JSON. */
  async hunt<T>(
    ...args: string[]
  ): Promise<{ readonly code: number | null; readonly answer: T; readonly stderr: string }> {
    const child = spawn(process.execPath, [huntEntry, ...args, '--data-dir', this.cluster.dataDir, '--json'], {
      env: this.env,
    });
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    child.stdout.on('data', (part: Buffer) => out.push(part));
    child.stderr.on('data', (part: Buffer) => err.push(part));
    const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
    const code = await within(`hunt ${args.join(' ')} to end`, commandMsMax, ended).finally(() =>
      child.kill('SIGKILL'),
    );
    const text = Buffer.concat(out).toString('utf8').trim().split('\n').at(-1) ?? '';
    return {
      code,
      answer: (text === '' ? undefined : JSON.parse(text)) as T,
      stderr: Buffer.concat(err).toString('utf8'),
    };
  }

  /** What leads a process of ours to this cluster's servers. */
  get env(): Record<string, string | undefined> {
    return { ...process.env, ...this.servers.env, ...this.cluster.bringKey() };
  }
}

function sentSince({ waits }: Member, since: number): number {
  let count = 0;
  for (let i = waits.length - 1; i >= 0; i--) {
    const wait = waits[i] as Member['waits'][number];
    // In order of their acks, not of their sending: stop where nothing younger can be.
    if (wait.sentAt + wait.ms < since) break;
    if (wait.sentAt >= since) count++;
  }
  return count;
}

const nameOf = ({ player, hunt }: Member): string => `${player.ledger[0]?.player} in hunt ${hunt.hunt_id}`;
