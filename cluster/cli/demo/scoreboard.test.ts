import assert from 'node:assert/strict';
import { renderBoard, Scoreboard } from './scoreboard.ts';

describe('the scoreboard in the terminal', () => {
  const filled = (): Scoreboard => {
    const board = new Scoreboard({ hunt_id: 257, join_code: 'K7Q4MX', title: 'Berlin', round: 2 }, 0);
    board.event({ version: 1, player: 'bot-1', type: 'PlayerJoined', at: 1_000, name: 'Ada' });
    board.event({
      version: 2,
      player: 'bot-1',
      type: 'StageCompleted',
      at: 2_000,
      stage: 'gate',
      by: 'check_in',
      points: 100,
    });
    board.event({
      version: 3,
      player: 'bot-1',
      type: 'TreasureClaimed',
      at: 3_000,
      treasure: 'coin',
      first: true,
      points: 10,
    });
    board.top = [{ rank: 1, player: 'bot-1', name: 'Ada', points: 110 }];
    board.replied(4, 9_000);
    return board;
  };
  it('counts what it saw', () => {
    const model = filled().model(10_000);
    assert.deepEqual(
      [model.players, model.events, model.acts_per_s, model.p50_ms, model.top[0]?.stages],
      [1, 3, 0.1, 4, 1],
    );
    assert.match(model.news.join(), /Ada found coin, first of all/);
  });
  it('fits into the width that there is', () => {
    const lines = renderBoard(filled().model(10_000), (_, text) => text, 40);
    assert.ok(lines.every((line) => [...line].length <= 40));
    assert.match(lines.join('\n'), /1 {2}Ada/);
  });
});
