/** A process that writes to a log as it is told over IPC; see contract-fixture.ts. Test code. */
import type { Slot, StreamId, Version } from '../../proto/ids.ts';
import type { EventLog, SlotWriter } from './event-log.ts';

interface Message {
  readonly number: number;
  readonly call: 'ready' | 'take' | 'append';
  readonly slot?: Slot;
  readonly epoch?: number;
  readonly stream?: StreamId;
  readonly expected?: Version;
  readonly text?: string;
}

const [module, args] = process.argv.slice(2) as [string, string];
const { open } = (await import(module)) as { open(args: unknown): Promise<EventLog> };
const log = await open(JSON.parse(args));
let writer: SlotWriter | undefined;

async function answer(message: Message): Promise<unknown> {
  if (message.call === 'take') writer = await log.take(message.slot as Slot, message.epoch as number);
  if (message.call !== 'append' || writer === undefined) return 'done';
  return writer.append(message.stream as StreamId, message.expected as Version, 1, Buffer.from(message.text ?? ''));
}

process.on('message', (message: Message) => {
  answer(message).then(
    (result) => process.send?.({ number: message.number, answer: result }),
    (error: Error) => process.send?.({ number: message.number, answer: { error: `${error.name}: ${error.message}` } }),
  );
});
process.on('disconnect', () => process.exit(0));
