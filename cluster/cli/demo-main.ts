#!/usr/bin/env node
/** The demo as a process of its own: `--data-dir` of a running cluster, and a scoreboard on stdout. */
import { parseArgs } from 'node:util';
import { readClusterFile } from '../host/cluster-file.ts';
import { runDemo } from './demo/demo.ts';
import { pause } from './demo/pause.ts';
import { BoardScreen } from './demo/scoreboard.ts';
import { paintFor } from './output.ts';

const { values } = parseArgs({
  options: {
    'data-dir': { type: 'string', default: '.hunt' },
    json: { type: 'boolean', default: false },
    seed: { type: 'string' },
    bots: { type: 'string' },
  },
});
const clusterPollMs = 200;

const ending = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => ending.abort());
// A supervisor that died takes its demo with it: nobody is left to look at it.
const parent = process.ppid;
const orphaned = setInterval(() => process.ppid !== parent && ending.abort(), 2_000);

const dataDir = values['data-dir'];
let file = readClusterFile(dataDir);
while (file?.state !== 'ready' && !ending.signal.aborted) {
  await pause(clusterPollMs, ending.signal);
  file = readClusterFile(dataDir);
}
if (file !== undefined && !ending.signal.aborted) {
  const screen = new BoardScreen(process.stdout, paintFor(process.stdout));
  let line = Number.NEGATIVE_INFINITY;
  await runDemo({
    httpUrl: file.urls.http,
    wsUrl: file.urls.ws,
    tokens: file.tokens,
    signal: ending.signal,
    ...(values.seed === undefined ? {} : { seed: Number(values.seed) }),
    ...(values.bots === undefined ? {} : { bots: Number(values.bots) }),
    onTrouble: (message) => process.stderr.write(`${message}\n`),
    onBoard(board) {
      if (!values.json) screen.draw(board, Date.now());
      else if (Date.now() - line >= screen.lineEveryMs) {
        line = Date.now();
        process.stdout.write(`${JSON.stringify(board)}\n`);
      }
    },
  });
}
clearInterval(orphaned);
process.exit(0);
