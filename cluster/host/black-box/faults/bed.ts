/**
 * What faults are tried on: a cluster of three nodes and two gateways on servers of its own, players who never stop, and bells.
 *
 * Owns: all of these. Judges by what players saw and what the log holds; what PostgreSQL holds is compared with the log too.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { systemClock } from '../../../../runtime/kernel/clock.ts';
import { ClusterProcess } from '../cluster-process.ts';
import { Crowd } from '../crowd.ts';
import { until } from '../deadline.ts';
import { foldBoard, judgeBoard } from '../judge/board.ts';
import { told } from '../judge/fault.ts';
import { type PrivateServers, type Profile, privateServers } from '../profile-servers.ts';
import type { BoardRow } from '../wire.ts';
import { Bells } from './bells.ts';

/** Nobody may notice what play does not need (I10); one machine runs all of this at once. */
const unnoticedMsMax = 2_500;
/** From the moment at which everything is there again. */
const recoverMsMax = 30_000;
const bellEveryMs = 3_000;
/** A dead cache costs a board some time, and no more. */
const boardMsMax = 3_000;
const huntEntry = fileURLToPath(new URL('../../../cli/hunt.js', import.meta.url));

interface HuntRow {
  readonly hunt_id: number;
  readonly version: number;
  readonly players: number;
}

export class FaultBed {
  #begun = performance.now();

  private constructor(
    readonly profile: Profile,
    readonly servers: PrivateServers,
    readonly cluster: ClusterProcess,
    readonly crowd: Crowd,
    readonly bells: Bells,
  ) {}

  static async make(profile: Profile): Promise<FaultBed> {
    const servers = await privateServers(profile);
    let cluster: ClusterProcess | undefined;
    try {
      cluster = await ClusterProcess.start({ nodes: 3, gateways: 2, store: true, env: servers.env });
      const crowd = await Crowd.gather(cluster, { hunts: 6, perHunt: 2, everyMs: 250 });
      return new FaultBed(profile, servers, cluster, crowd, await Bells.hang(cluster, bellEveryMs));
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

  /** Before a fault: all is well, and everybody's action is accepted. */
  async calm(): Promise<void> {
    await this.playsOn();
    this.#begun = performance.now();
  }

  /** Everybody's next action is accepted. */
  async playsOn(): Promise<void> {
    await this.crowd.allAckedSince(performance.now(), recoverMsMax);
  }

  /** Since {@link calm} nobody waited for longer than on a busy machine. */
  assertUnnoticed(): void {
    const { ms, told } = this.crowd.longestWaitSince(this.#begun);
    assert.ok(ms <= unnoticedMsMax, `somebody waited ${ms.toFixed(0)} ms for what play does not need: ${told}`);
  }

  /** What was in the log when this was called is in the rows and in the list. */
  async projectionsCatchUp(ms = recoverMsMax): Promise<void> {
    const hunts = this.#hunts();
    const heads = new Map<number, number>();
    for (const hunt of hunts) heads.set(hunt, (await this.#page(hunt)).head);
    await until(`the list to show what was played up to then`, ms, async () => {
      const rows = await this.list();
      return hunts.every((hunt) => (rows.get(hunt)?.version ?? 0) >= (heads.get(hunt) as number));
    });
    await until('the projection to lag by less than 5 s', ms, async () => (await this.lag()).seconds < 5);
  }

  async list(): Promise<Map<number, HuntRow>> {
    const { hunts } = await this.cluster.expect<{ hunts: HuntRow[] }>('GET', '/v1/hunts?limit=1000', {
      token: this.cluster.tokens.operator,
    });
    return new Map(hunts.map((row) => [row.hunt_id, row]));
  }

  async lag(): Promise<{ events: number; seconds: number }> {
    const { lag } = await this.cluster.expect<{ lag: { projection: { events: number; seconds: number } } }>(
      'GET',
      '/v1/cluster',
      { token: this.cluster.tokens.operator },
    );
    return lag.projection;
  }

  /**
   * The scoreboard of every hunt, asked now: what the log said at the version that the board names. People play on, so the
   * history is read afterwards and cut there.
   */
  async boardsAgree(): Promise<void> {
    for (const hunt of this.#hunts()) {
      const asked = performance.now();
      const board = await this.cluster.expect<{ version: number; entries: BoardRow[] }>(
        'GET',
        `/v1/hunts/${hunt}/scoreboard?limit=1000`,
      );
      assert.ok(
        performance.now() - asked < boardMsMax,
        `a scoreboard took ${(performance.now() - asked).toFixed(0)} ms`,
      );
      const history = (await this.cluster.history(hunt)).slice(0, board.version);
      assert.equal(history.length, board.version, 'a board is ahead of the log');
      const faults = judgeBoard(board.entries, foldBoard(history, 'solo'));
      assert.equal(faults.length, 0, `hunt ${hunt}: ${told(faults)}`);
    }
  }

  /** Live events have reached everybody, whatever carries them. */
  async everybodySeesEverything(): Promise<void> {
    for (const { hunt, player } of this.crowd.members) {
      const { head } = await this.#page(hunt.hunt_id);
      await until(`${player.ledger[0]?.player} of hunt ${hunt.hunt_id} to hold version ${head}`, recoverMsMax, () => {
        return (player.judge.cursor ?? 0) >= head;
      });
    }
  }

  #hunts(): number[] {
    return [...new Set(this.crowd.members.map(({ hunt }) => hunt.hunt_id))];
  }

  #page(hunt: number): Promise<{ head: number }> {
    return this.cluster.expect('GET', `/v1/hunts/${hunt}/events?limit=1`);
  }

  /** Runs `hunt` as an operator would, and gives what it wrote as JSON. */
  async hunt<T>(
    ...args: string[]
  ): Promise<{ readonly code: number | null; readonly answer: T; readonly stderr: string }> {
    const child = spawn(process.execPath, [huntEntry, ...args, '--data-dir', this.cluster.dataDir, '--json'], {
      env: { ...process.env, ...this.servers.env, ...this.cluster.bringKey() },
    });
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    child.stdout.on('data', (part: Buffer) => out.push(part));
    child.stderr.on('data', (part: Buffer) => err.push(part));
    const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
    const text = Buffer.concat(out).toString('utf8').trim().split('\n').at(-1) ?? '';
    return {
      code,
      answer: (text === '' ? undefined : JSON.parse(text)) as T,
      stderr: Buffer.concat(err).toString('utf8'),
    };
  }

  /** At the end of all faults: 0 lost, 0 doubled, 0 holes, and every bell once. */
  async judge(): Promise<void> {
    const { acts, reconnects } = await this.crowd.judge();
    assert.ok(acts > 100, `only ${acts} acts`);
    assert.ok(reconnects >= 0);
    const faults = await this.bells.judge();
    assert.equal(faults.length, 0, told(faults));
    const { code, answer, stderr } = await this.hunt<{ ok: boolean; events: number }>('log', 'verify');
    assert.deepEqual([code, answer?.ok], [0, true], `${JSON.stringify(answer)}\n${stderr}`);
    await this.boardsAgree();
    await this.projectionsAgree();
  }

  /** Nobody plays any more: the rows say what the log says. */
  async projectionsAgree(): Promise<void> {
    for (const hunt of this.#hunts()) {
      const { head } = await this.#page(hunt);
      const players = this.crowd.members.filter((member) => member.hunt.hunt_id === hunt).length;
      await until(`the row of hunt ${hunt} to say version ${head}`, recoverMsMax, async () => {
        const row = (await this.list()).get(hunt);
        return row?.version === head && row.players === players;
      });
    }
  }

  get now(): number {
    return systemClock.now();
  }
}
