/**
 * Scoreboards in Redis, shared by all gateways: a sorted set a hunt, scored by rank. Its first member, at score 0, says of
 * which version it is and how much it holds, so that there is one key: it is there or it is evicted, and never half of it.
 *
 * Owns: the connection, and the boards that are yet to be written. Keeps: a board of an older version never replaces a newer
 * one, whichever gateway is slower; nobody waits for a write, and for a read only `answerMs`. After a failure Redis is left
 * alone for a moment: a dead, stopped, flushed or full one makes reads slower, never wrong (I10).
 */
import { Redis } from 'ioredis';
import type { Scoreboard } from '../actors/hunt/interface.ts';
import type { Clock } from '../runtime/kernel/clock.ts';
import type { Cancel, Timers } from '../runtime/kernel/timer.ts';
import { type BoardPage, hasPlaces, pageOf, type ScoreboardCache } from './scoreboard-cache.ts';

export interface RedisScoreboardOptions {
  /** It may evict as it likes (`allkeys-lru` with a `maxmemory`). */
  readonly redisUrl: string;
  readonly cluster: string;
  readonly clock: Clock;
  readonly timers: Timers;
  /** Said when Redis goes, with why, and when it is back. */
  readonly changed?: (up: boolean, reason: string) => void;
}

const answerMs = 100;
/** How long it is not asked after it failed. */
const restMs = 1_000;
/** Boards are written together so often: of a hunt that moves, only the newest is. */
const writeGapMs = 250;
/** Boards that wait to be written (at most some 300 KB each); beyond, they are not kept. */
const waitingBoardsMax = 64;
const keptMs = 3_600_000;
/** A connection that owes an answer for so long is made anew. */
const silentMs = 5_000;
const reconnectMinMs = 50;
const reconnectMaxMs = 1_000;

/** What the set says of itself; all nil if it is not there or says nothing. */
const look = `local head = redis.call('ZRANGE', KEYS[1], 0, 0)[1]
local version, entrants, held
if head then version, entrants, held = string.match(head, '^#(%d+) (%d+) (%d+)$') end
local whole = held and redis.call('ZCARD', KEYS[1]) == held + 1
`;

/** KEYS: the set. ARGV: version, first and last index. Nil unless the set is whole and of that version. */
const readScript = `${look}
if not whole or version ~= ARGV[1] then return nil end
return {entrants, held, redis.call('ZRANGE', KEYS[1], ARGV[2], ARGV[3])}`;

/** KEYS: the set. ARGV: version, the head, milliseconds to keep it, rows in order. ZADD takes some thousand arguments at most. */
const writeScript = `${look}
if whole and tonumber(version) >= tonumber(ARGV[1]) then return 0 end
redis.call('DEL', KEYS[1])
redis.call('ZADD', KEYS[1], 0, ARGV[2])
for first = 4, #ARGV, 1000 do
  local pairs = {}
  for i = first, math.min(first + 999, #ARGV) do
    pairs[#pairs + 1] = i - 3
    pairs[#pairs + 1] = ARGV[i]
  end
  redis.call('ZADD', KEYS[1], unpack(pairs))
end
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1`;

interface Scripts {
  readBoard(key: string, version: number, first: number, last: number): Promise<[string, string, string[]] | null>;
  writeBoard(key: string, version: number, head: string, keptMs: number, ...rows: string[]): Promise<number>;
}

export class RedisScoreboardCache implements ScoreboardCache {
  readonly #redis: Redis & Scripts;
  readonly #waiting = new Map<number, Scoreboard>();
  #cancelWriting: Cancel | undefined;
  #isWriting = false;
  #isConnected = false;
  #restUntil = 0;
  #isUp: boolean | undefined;
  #isClosed = false;

  constructor(readonly options: RedisScoreboardOptions) {
    const redis = new Redis(options.redisUrl, {
      enableOfflineQueue: false,
      autoResendUnfulfilledCommands: false,
      maxRetriesPerRequest: 0,
      commandTimeout: answerMs,
      socketTimeout: silentMs,
      retryStrategy: (times) => Math.min(reconnectMaxMs, reconnectMinMs * 2 ** Math.min(times, 10)),
      scripts: {
        readBoard: { lua: readScript, numberOfKeys: 1 },
        writeBoard: { lua: writeScript, numberOfKeys: 1 },
      },
    });
    redis.on('error', (error: Error) => this.#changed(false, error.message));
    redis.on('close', () => {
      this.#isConnected = false;
      this.#changed(false, 'the connection broke');
    });
    redis.on('ready', () => {
      this.#isConnected = true;
      this.#restUntil = 0;
      this.#changed(true, 'connected');
    });
    this.#redis = redis as Redis & Scripts;
  }

  get isUp(): boolean {
    return this.#isUp === true;
  }

  async read(huntId: number, version: number, page: BoardPage): Promise<Scoreboard | undefined> {
    const waiting = this.#waiting.get(huntId);
    const own = waiting?.version === version ? pageOf(waiting, page) : undefined;
    if (own !== undefined) return own;
    if (this.#isResting) return undefined;
    try {
      // The head is at index 0.
      const first = page.offset + 1;
      const answer = await this.#redis.readBoard(this.#key(huntId), version, first, page.offset + page.limit);
      this.#changed(true, 'it answers');
      if (answer === null) return undefined;
      const [entrants, held, rows] = [Number(answer[0]), Number(answer[1]), answer[2]];
      if (!hasPlaces(entrants, held, page)) return undefined;
      return { version, entrants, entries: rows.map((row) => JSON.parse(row) as Scoreboard['entries'][number]) };
    } catch (error) {
      this.#failed(error);
      return undefined;
    }
  }

  keep(huntId: number, board: Scoreboard): void {
    if (this.#isClosed) return;
    const waiting = this.#waiting.get(huntId);
    if (waiting === undefined ? this.#waiting.size >= waitingBoardsMax : waiting.version >= board.version) return;
    this.#waiting.set(huntId, board);
    this.#writeSoon();
  }

  close(): void {
    this.#isClosed = true;
    this.#cancelWriting?.();
    this.#waiting.clear();
    this.#redis.disconnect();
  }

  get #isResting(): boolean {
    return !this.#isConnected || this.options.clock.monotonic() < this.#restUntil;
  }

  #writeSoon(): void {
    if (this.#isWriting || this.#isClosed || this.#waiting.size === 0) return;
    this.#isWriting = true;
    this.#cancelWriting = this.options.timers.after(writeGapMs, () => {
      void this.#writeAll().finally(() => {
        this.#isWriting = false;
        this.#writeSoon();
      });
    });
  }

  /** What waits now, one after the other. What Redis cannot take now waits on, and serves this process's readers. */
  async #writeAll(): Promise<void> {
    for (const [huntId, board] of [...this.#waiting]) {
      if (this.#isResting || this.#isClosed) return;
      try {
        const rows = board.entries.map((entry) => JSON.stringify(entry));
        const head = `#${board.version} ${board.entrants} ${rows.length}`;
        await this.#redis.writeBoard(this.#key(huntId), board.version, head, keptMs, ...rows);
      } catch (error) {
        if (!this.#failed(error)) return;
      }
      if (this.#waiting.get(huntId) === board) this.#waiting.delete(huntId);
    }
  }

  #key(huntId: number): string {
    return `hunt:${this.options.cluster}:board:${huntId}`;
  }

  /** True: it was a refusal, which is an answer: Redis is full, say, or something else has that name. The next may be served. */
  #failed(error: unknown): boolean {
    const { name, message } = error as Error;
    if (name === 'ReplyError' || name === 'SyntaxError') return true;
    this.#restUntil = this.options.clock.monotonic() + restMs;
    this.#changed(false, message);
    return false;
  }

  #changed(up: boolean, reason: string): void {
    if (this.#isUp === up || this.#isClosed) return;
    this.#isUp = up;
    this.options.changed?.(up, reason);
  }
}
