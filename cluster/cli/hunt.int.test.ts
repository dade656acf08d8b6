import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ClusterProcess } from '../host/black-box/cluster-process.ts';
import { packageRoot } from '../host/package-root.ts';
import { runDemo } from './demo/demo.ts';
import type { BoardModel } from './demo/scoreboard.ts';

const program = fileURLToPath(new URL('./hunt.js', import.meta.url));
const berlin = join(packageRoot(), 'cluster/cli/demo/berlin.yaml');

describe('the command line and a real cluster', function () {
  this.timeout(90_000);
  let cluster: ClusterProcess;
  before(async () => {
    cluster = await ClusterProcess.start({ nodes: 2 });
  });
  after(() => cluster.stopAndRemove());

  async function hunt(args: readonly string[], stdin = ''): Promise<{ code: number | null; out: string; err: string }> {
    const child = spawn(process.execPath, [program, ...args, '--data-dir', cluster.dataDir]);
    child.stdin.end(stdin);
    let [out, err] = ['', ''];
    child.stdout.on('data', (part: Buffer) => {
      out += part.toString();
    });
    child.stderr.on('data', (part: Buffer) => {
      err += part.toString();
    });
    const [code] = (await once(child, 'close')) as [number | null];
    return { code, out, err };
  }
  const json = async <T>(args: readonly string[], stdin = ''): Promise<T> => {
    const ran = await hunt([...args, '--json'], stdin);
    assert.equal(ran.code, 0, ran.err);
    return JSON.parse(ran.out) as T;
  };

  it('creates a hunt, plays it from a script, shows its history and verifies the log', async () => {
    const created = await json<{ hunt_id: number; join_code: string; status: string }>(['create', berlin, '--open']);
    assert.equal(created.status, 'open');
    const script = [
      { type: 'check_in', lat: 52.51628, lon: 13.3777, accuracy: 10 },
      { type: 'answer', clue: 'portal', text: 'Dem deutschen Volke' },
      { type: 'scan', code: 'WRONG' },
    ];
    const played = await hunt(
      ['play', created.join_code, '--name', 'Ada', '--script', '-'],
      script.map((action) => JSON.stringify(action)).join('\n'),
    );
    assert.equal(played.code, 0, played.err);
    const replies = played.out
      .trim()
      .split('\n')
      .map(
        (line) =>
          JSON.parse(line) as {
            action: object;
            ack?: { seq: number; result: { total: number } };
            nack?: { code: string };
          },
      );
    assert.deepEqual(
      replies.map(({ action }) => action),
      script,
    );
    assert.equal(replies[1]?.ack?.result.total, 250);
    assert.equal(replies[2]?.nack?.code, 'WRONG_CODE');
    const history = await hunt(['history', String(created.hunt_id), '--json']);
    const types = history.out
      .trim()
      .split('\n')
      .map((line) => (JSON.parse(line) as { type: string }).type);
    assert.deepEqual(types, ['HuntCreated', 'HuntOpened', 'PlayerJoined', 'StageCompleted', 'StageCompleted']);
    const csv = await hunt(['export', String(created.hunt_id)]);
    assert.match(csv.out, /^rank,id,name,team,points/);
    const verified = await json<{ ok: boolean; events: number }>(['log', 'verify', '--hunt', String(created.hunt_id)]);
    assert.deepEqual([verified.ok, verified.events], [true, types.length]);
  });

  it('plans, applies, rolls back, freezes, and restarts a node that it has drained', async () => {
    type Operation = { id: string; state: string; moves_total: number; moves: { measured_ms?: number }[] };
    const pin = ['--pin', '17=n1', '--pin', '18=n2', '--reason', 'a test'];
    const plan = await json<{ moves: { slot: number }[]; view: number }>(['ring', 'plan', ...pin]);
    const asked = await hunt(['ring', 'apply', ...pin]);
    assert.deepEqual([asked.code, /--yes/.test(asked.err)], [2, true], 'nobody is there to ask');
    const applied = await json<Operation>(['ring', 'apply', ...pin, '--yes', '--canary-s', '0', '--moves-per-s', '50']);
    assert.deepEqual([applied.state, applied.moves_total], ['done', plan.moves.length]);
    assert.ok(applied.moves.every((move) => (move.measured_ms ?? 0) > 0));
    const shown = await hunt(['ring', 'show']);
    assert.match(shown.out, /pins: 17=n1 18=n2/);
    assert.match(shown.out, new RegExp(`${applied.id} +apply +done`));
    assert.equal((await json<Operation>(['ring', 'rollback', applied.id])).state, 'rolled_back');
    await json(['ring', 'freeze', '--reason', 'the final', '--for', '5m']);
    const frozen = await hunt(['ring', 'drain', 'n1']);
    assert.deepEqual([frozen.code, /^WRONG_STATE: frozen by operator/m.test(frozen.err)], [4, true], frozen.err);
    await json(['ring', 'unfreeze']);
    const unknown = await hunt(['ring', 'apply', '--weight', 'n7=2', '--yes']);
    assert.deepEqual([unknown.code, /no node n7/.test(unknown.err)], [4, true], unknown.err);
    // A node with few slots is drained, and has its share back, in little time.
    await json(['ring', 'apply', '--weight', 'n2=0.1', '--yes', '--canary-s', '0', '--moves-per-s', '200']);
    const { pid } = cluster.process('n2');
    const rolled = await json<{ rolled: { node: string }[]; stall_ms_max: number }>(['ring', 'roll', 'n2']);
    assert.deepEqual(
      rolled.rolled.map(({ node }) => node),
      ['n2'],
    );
    assert.ok(rolled.stall_ms_max > 0);
    assert.notEqual(cluster.process('n2').pid, pid);
    const history = (await hunt(['ring', 'history', '--json'])).out.trim().split('\n');
    const types = history.map((line) => (JSON.parse(line) as { type: string }).type);
    for (const type of ['ClusterFormed', 'OperationTurned', 'Frozen', 'Unfrozen', 'NodeLeft', 'NodeJoined'])
      assert.ok(types.includes(type), type);
  });

  it('benches a small size, and exits 1 when a target is missed', async () => {
    const args = ['bench', '--hunts', '2', '--players', '3', '--in-flight', '2', '--seconds', '1', '--quiet'];
    const report = await json<{ acked_per_s: number; p99_ms: number; errors: number }>(args);
    assert.ok(report.acked_per_s > 0 && report.p99_ms > 0);
    assert.equal(report.errors, 0);
    const missed = await hunt([...args, '--target-eps', '100000000']);
    assert.equal(missed.code, 1);
    assert.match(missed.err, /^UNMET: /m);
  });

  it('lets bots play the demo, and shows their scores', async () => {
    const ending = new AbortController();
    const boards: BoardModel[] = [];
    const trouble: string[] = [];
    const scored = new Promise<BoardModel>((resolve) => {
      const onBoard = (board: BoardModel): void => {
        boards.push(board);
        if (board.players >= 2 && board.acted >= 5) resolve(board);
      };
      void runDemo({
        httpUrl: cluster.http,
        wsUrl: cluster.ws,
        tokens: cluster.tokens,
        bots: 6,
        seed: 3,
        signal: ending.signal,
        onBoard,
        onTrouble: (message) => trouble.push(message),
      });
    });
    const board = await scored;
    ending.abort();
    assert.ok(board.players > 0 && board.events > board.players);
    assert.deepEqual(trouble, []);
  });
});
