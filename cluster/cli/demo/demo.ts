/** The demo: a hunt through Berlin, played by bots for ever, round after round. */
import { setMaxListeners } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { type CreatedHunt, HttpApi } from '../../../gateway/sdk/http-api.ts';
import { HuntClient } from '../../../gateway/sdk/hunt-client.ts';
import { HuntError } from '../../../gateway/sdk/hunt-error.ts';
import { packageRoot } from '../../host/package-root.ts';
import { nodeSocket } from '../node-socket.ts';
import { playBot } from './bot.ts';
import { drawCharacter } from './character.ts';
import { Mind, type Solution } from './mind.ts';
import { pause } from './pause.ts';
import { type BoardModel, Scoreboard } from './scoreboard.ts';
import { seededRandom } from './seeded-random.ts';

export interface DemoOptions {
  readonly httpUrl: string;
  readonly wsUrl: string;
  readonly tokens: { readonly designer: string };
  readonly onBoard: (board: BoardModel) => void;
  readonly signal: AbortSignal;
  readonly onTrouble?: (message: string) => void;
  readonly bots?: number;
  readonly seed?: number;
}

export const demoBots = 70;
const boardEveryMs = 500;
/** People come one by one. */
const arrivalMs = 12_000;
const roundMaxMs = 10 * 60_000;
const betweenRoundsMs = 15_000;
const afterTroubleMs = 5_000;
/** Player tokens that are asked for at the same time. */
const tokenRequestsMax = 4;

export const demoDefinition = (): string => readFileSync(join(packageRoot(), 'cluster/cli/demo/berlin.yaml'), 'utf8');

/** Plays until the signal is given. Trouble with the cluster ends a round, never the demo. */
export async function runDemo(options: DemoOptions): Promise<void> {
  const seed = options.seed ?? Date.now() & 0x7fffffff;
  for (let round = 1; !options.signal.aborted; round++) {
    try {
      await playRound(options, round, seededRandom(seed + round));
      await pause(betweenRoundsMs, options.signal);
    } catch (error) {
      if (options.signal.aborted) return;
      if (!(error instanceof HuntError)) throw error;
      options.onTrouble?.(`${error.code}: ${error.message}`);
      await pause(afterTroubleMs, options.signal);
    }
  }
}

async function playRound(options: DemoOptions, round: number, random: () => number): Promise<void> {
  const { httpUrl, wsUrl, tokens, signal, bots = demoBots } = options;
  const api = new HttpApi({ url: httpUrl, token: tokens.designer });
  const text = demoDefinition();
  const definition = parse(text) as Definition;
  const hunt = await api.createHunt(text);
  await api.steer(hunt.hunt_id, 'open');
  const board = new Scoreboard(
    { hunt_id: hunt.hunt_id, join_code: hunt.join_code, title: definition.title, round },
    Date.now(),
  );
  const ending = new AbortController();
  setMaxListeners(0, ending.signal); // Every bot listens, and every one of its pauses.
  const end = (): void => ending.abort();
  signal.addEventListener('abort', end);
  const closing = setTimeout(end, roundMaxMs);
  const drawing = setInterval(() => options.onBoard(board.model(Date.now())), boardEveryMs);
  const spectator = new HuntClient({ url: wsUrl, token: tokens.designer, connect: nodeSocket });
  try {
    const watched = spectator.session(hunt.hunt_id, { from: 0 });
    watched.on('event', (event) => board.event(event));
    watched.on('board', ({ top }) => {
      board.top = top;
    });
    await playAll(api, hunt, options, board, solutionOf(definition), random, ending.signal, bots);
    const winner = (await api.scoreboard(hunt.hunt_id, 1)).entries[0];
    if (winner !== undefined && !signal.aborted)
      await api.announce(hunt.hunt_id, `${winner.name} wins round ${round} with ${winner.points} points.`);
    if (!signal.aborted) await api.steer(hunt.hunt_id, 'close');
    options.onBoard(board.model(Date.now()));
  } finally {
    clearTimeout(closing);
    clearInterval(drawing);
    signal.removeEventListener('abort', end);
    end();
    spectator.close();
  }
}

async function playAll(
  api: HttpApi,
  hunt: CreatedHunt,
  options: DemoOptions,
  board: Scoreboard,
  solution: Solution,
  random: () => number,
  signal: AbortSignal,
  bots: number,
): Promise<void> {
  const cast = Array.from({ length: bots }, (_, n) => ({
    mind: new Mind(drawCharacter(n, random), solution, seededRandom(Math.floor(random() * 2 ** 32))),
    arrives: random() * arrivalMs,
  }));
  const began = Date.now();
  const waiting = [...cast].sort((a, b) => a.arrives - b.arrives);
  const playing: Promise<void>[] = [];
  const usher = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined && !signal.aborted; next = waiting.shift()) {
      const { mind, arrives } = next;
      await pause(began + arrives - Date.now(), signal);
      const { token } = await api.createPlayer(hunt.hunt_id, mind.character.id, mind.character.name);
      playing.push(
        playBot(mind, {
          url: options.wsUrl,
          token,
          hunt: hunt.hunt_id,
          signal,
          onReply: (_, ms) => board.replied(ms, Date.now()),
        }),
      );
    }
  };
  await Promise.all(Array.from({ length: tokenRequestsMax }, usher));
  await Promise.all(playing);
}

interface Definition {
  title: string;
  stages: {
    id: string;
    complete: { answer?: { clue: string; accept: (string | number)[] }; scan?: { code: string } };
  }[];
}

/** Whoever made the hunt knows the answers. */
export function solutionOf(definition: Definition): Solution {
  const answers: Record<string, string> = {};
  const codes: Record<string, string> = {};
  for (const { id, complete } of definition.stages) {
    if (complete.answer) answers[complete.answer.clue] = String(complete.answer.accept[0]);
    if (complete.scan) codes[id] = complete.scan.code;
  }
  return { answers, codes };
}
