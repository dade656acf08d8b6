/** The thread behind the {@link DefinitionDesk}: a text in, what the domain makes of it out. */
import { parentPort } from 'node:worker_threads';
import { type ParsedDefinition, parseDefinition } from '../../actors/hunt/definition.ts';
import type { DeskAnswer } from './worker-desk.ts';

parentPort?.on('message', (source: Parameters<typeof parseDefinition>[0]) => {
  parentPort?.postMessage(answerTo(source));
});

function answerTo(source: Parameters<typeof parseDefinition>[0]): DeskAnswer {
  try {
    return { answer: parseDefinition(source) satisfies ParsedDefinition };
  } catch (error) {
    return { fault: String((error as Error).stack) };
  }
}
