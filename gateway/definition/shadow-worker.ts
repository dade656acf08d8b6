/** The thread behind the {@link ShadowDesk}: one shadow run at a time, fed with the log's records. */
import { parentPort } from 'node:worker_threads';
import { eventCodec } from '../../actors/hunt/event.ts';
import { ShadowRun } from '../../actors/hunt/shadow-run.ts';
import { decodeRecord } from '../../runtime/activation/record.ts';
import type { ShadowMessage } from './shadow-desk.ts';
import type { DeskAnswer } from './worker-desk.ts';

let run: ShadowRun | undefined;

parentPort?.on('message', (message: ShadowMessage) => {
  let answer: DeskAnswer;
  try {
    answer = { answer: obey(message) };
  } catch (error) {
    answer = { fault: String((error as Error).stack) };
  }
  parentPort?.postMessage(answer);
});

function obey(message: ShadowMessage): unknown {
  if (message.kind === 'begin') {
    run = new ShadowRun(message.huntId, message.definition);
    return undefined;
  }
  if (run === undefined) throw new Error('a shadow run was fed before it began');
  if (message.kind === 'records') {
    for (const bytes of message.records) run.take(decodeRecord(bytes, eventCodec).events);
    return undefined;
  }
  const report = run.report(message.at);
  run = undefined;
  return report;
}
