/** One bot: a mind on a socket. Ends when its mind is done, when its client is closed for good, or when it is told to. */
import { HuntClient } from '../../../gateway/sdk/hunt-client.ts';
import { HuntError } from '../../../gateway/sdk/hunt-error.ts';
import type { Ack, Nack } from '../../../gateway/sdk/messages.ts';
import { nodeSocket } from '../node-socket.ts';
import type { Mind } from './mind.ts';
import { pause } from './pause.ts';

export interface BotPorts {
  readonly url: string;
  readonly token: string;
  readonly hunt: number;
  readonly signal: AbortSignal;
  /** Every final answer, and how long it took. */
  readonly onReply: (reply: Ack | Nack, ms: number) => void;
}
/** After an answer a person looks at the screen; by then the new view has come. */
const afterReplyMs = 400;

export async function playBot(mind: Mind, ports: BotPorts): Promise<void> {
  const { signal, hunt, token, url } = ports;
  let client = new HuntClient({ url, token, connect: nodeSocket });
  const stop = (): void => client.close();
  signal.addEventListener('abort', stop);
  try {
    // Bots see their own events only: seventy of them then cost what a handful of spectators would.
    let session = client.session(hunt, { mode: 'own' });
    await session.whenLive();
    let last: Ack | Nack | undefined;
    while (!signal.aborted) {
      const { me } = session;
      if (!me) break;
      const step = mind.next(me, last, client.now());
      last = undefined;
      if (step.kind === 'done') break;
      if (step.kind === 'act') {
        const began = performance.now();
        last = await session.act(step.action);
        ports.onReply(last, performance.now() - began);
        if (last.t === 'nack' && over.has(last.code)) break;
        await pause(afterReplyMs + mind.random() * afterReplyMs, signal);
      } else if (step.kind === 'offline') {
        const held = { from: session.cursor, lineage: session.lineage };
        client.close();
        await pause(step.ms, signal);
        if (signal.aborted) break;
        client = new HuntClient({ url, token, connect: nodeSocket });
        session = client.session(hunt, {
          mode: 'own',
          ...(held.from === undefined ? {} : { from: held.from }),
          ...(held.lineage === undefined ? {} : { lineage: held.lineage }),
        });
        await session.whenLive();
      } else await pause(step.ms, signal);
    }
  } catch (error) {
    if (!(error instanceof HuntError)) throw error; // Closed: by us at the end of the round, or by the server for good.
  } finally {
    signal.removeEventListener('abort', stop);
    client.close();
  }
}

/** The hunt is over for this bot, whatever its view said a moment ago. */
const over = new Set(['HUNT_NOT_OPEN', 'DISQUALIFIED', 'FINISHED', 'TIME_UP', 'HUNT_FULL', 'FORBIDDEN']);
