/** What the demo shows, kept from the events that a spectator sees, and how it looks in a terminal. */
import type { BoardEntry, HuntEvent } from '../../../gateway/sdk/messages.ts';
import { eventLine, Names } from '../event-line.ts';
import { type Paint, table } from '../output.ts';

export interface BoardModel {
  readonly hunt_id: number;
  readonly join_code: string;
  readonly title: string;
  readonly round: number;
  readonly seconds: number;
  readonly players: number;
  readonly finished: number;
  readonly events: number;
  readonly acted: number;
  readonly acts_per_s: number;
  readonly p50_ms: number;
  readonly top: readonly (BoardEntry & { stages: number; doing: string })[];
  readonly news: readonly string[];
}

const newsMax = 6;
const latenciesMax = 512;
const rateWindowMs = 10_000;

export class Scoreboard {
  #names = new Names();
  #stages = new Map<string, number>();
  #doing = new Map<string, string>();
  #news: string[] = [];
  #players = new Set<string>();
  #finished = new Set<string>();
  #latencies: number[] = [];
  #acts: number[] = [];
  #acted = 0;
  #events = 0;
  top: readonly BoardEntry[] = [];

  constructor(
    readonly hunt: { hunt_id: number; join_code: string; title: string; round: number },
    readonly startedAt: number,
  ) {}

  event(event: HuntEvent): void {
    this.#names.learn(event);
    this.#events = event.version;
    const { player } = event;
    if (event.type === 'PlayerJoined') this.#players.add(player);
    else if (event.type === 'PlayerFinished') this.#finished.add(player);
    else if (event.type === 'StageCompleted') this.#stages.set(player, (this.#stages.get(player) ?? 0) + 1);
    const line = eventLine(event, this.#names.of, (_, text) => text);
    if (event.stage !== undefined || event.treasure !== undefined)
      this.#doing.set(player, line.replace(/^\S+ #\d+ {2}\S+( \d+)? /, ''));
    if (newsworthy(event)) this.#news = [...this.#news, line].slice(-newsMax);
  }

  replied(ms: number, now: number): void {
    this.#acted++;
    this.#acts.push(now);
    this.#latencies.push(ms);
    if (this.#latencies.length > latenciesMax) this.#latencies.shift();
  }

  model(now: number): BoardModel {
    while (this.#acts.length > 0 && (this.#acts[0] as number) < now - rateWindowMs) this.#acts.shift();
    const sorted = [...this.#latencies].sort((a, b) => a - b);
    const window = Math.max(1, Math.min(rateWindowMs, now - this.startedAt)) / 1000;
    return {
      ...this.hunt,
      seconds: Math.round((now - this.startedAt) / 1000),
      players: this.#players.size,
      finished: this.#finished.size,
      events: this.#events,
      acted: this.#acted,
      acts_per_s: Math.round((this.#acts.length / window) * 10) / 10,
      p50_ms: Math.round((sorted[Math.floor(sorted.length / 2)] ?? 0) * 10) / 10,
      top: this.top.map((row) => ({
        ...row,
        stages: this.#stages.get(row.player ?? '') ?? 0,
        doing: this.#doing.get(row.player ?? '') ?? '',
      })),
      news: this.#news,
    };
  }
}

const newsworthy = (event: HuntEvent): boolean =>
  event.first === true ||
  ['TreasureClaimed', 'PlayerFinished', 'StageFailed', 'Announced', 'HuntOpened', 'HuntClosed', 'PlayerLeft'].includes(
    event.type,
  );

const minutes = (seconds: number): string => `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;

/** The whole picture, one string a line, none wider than `columns`. */
export function renderBoard(model: BoardModel, paint: Paint, columns = 100, rows = 24): string[] {
  const room = Math.max(3, Math.min(model.top.length, rows - newsMax - 7));
  const board = table(
    ['>RANK', 'NAME', '>POINTS', '>STAGES', 'LAST'],
    model.top
      .slice(0, room)
      .map((row) => [
        row.rank,
        row.name,
        row.points,
        row.stages,
        row.finished_at ? 'finished' : row.doing.slice(0, 40),
      ]),
  ).split('\n');
  const plain = [
    `${model.title} · round ${model.round} · ${minutes(model.seconds)} · join with ${model.join_code}`,
    `${model.players} players, ${model.finished} finished · ${model.events} events · ${model.acts_per_s} actions/s · ${model.p50_ms} ms`,
    '',
    ...board,
    '',
    ...model.news,
  ].map((line) => [...line].slice(0, columns).join(''));
  return plain.map((line, i) =>
    i === 0
      ? paint('bold', line)
      : i === 3
        ? paint('cyan', line)
        : i === 1 || i > board.length + 3
          ? paint('dim', line)
          : line,
  );
}

/** The same in one line, for a file or a pipe. */
export const boardLine = (model: BoardModel): string => {
  const leaders = model.top.slice(0, 3).map((row) => `${row.rank}. ${row.name} ${row.points}`);
  return `round ${model.round} ${minutes(model.seconds)} hunt ${model.hunt_id}: ${model.players} players, ${model.finished} finished, ${model.events} events, ${model.acts_per_s} actions/s, ${model.p50_ms} ms · ${leaders.join(', ')}`;
};

/** Draws over what it drew before; on anything but a terminal a line from time to time. */
export class BoardScreen {
  #drawn = 0;
  #lastLine = Number.NEGATIVE_INFINITY;
  constructor(
    readonly stream: NodeJS.WriteStream,
    readonly paint: Paint,
    readonly lineEveryMs = 10_000,
  ) {}

  draw(model: BoardModel, now: number): void {
    if (!this.stream.isTTY) {
      if (now - this.#lastLine < this.lineEveryMs) return;
      this.#lastLine = now;
      this.stream.write(`${boardLine(model)}\n`);
      return;
    }
    const lines = renderBoard(model, this.paint, this.stream.columns, this.stream.rows);
    const up = this.#drawn > 0 ? `\u001b[${this.#drawn}A` : '';
    this.stream.write(`${up}${lines.map((line) => `\r\u001b[K${line}\n`).join('')}\u001b[J`);
    this.#drawn = lines.length;
  }
}
