import { readFileSync } from 'node:fs';
import { HuntError } from '../../../gateway/sdk/hunt-error.ts';
import type { HuntSession } from '../../../gateway/sdk/hunt-session.ts';
import type { Ack, Action, Nack } from '../../../gateway/sdk/messages.ts';
import { exitCode, UsageError } from '../exit-code.ts';
import { Output, type OutputFlags } from '../output.ts';
import { Target, type TargetFlags } from '../target.ts';

export async function play(
  code: string,
  flags: TargetFlags & OutputFlags & { name: string; script?: string },
): Promise<void> {
  const out = new Output(flags);
  const target = new Target(flags);
  const script = flags.script === undefined ? undefined : readScript(flags.script);
  const joined = await target.api('none').join(code, flags.name);
  const client = target.client(joined.token);
  client.on('waiting', ({ retryMs }) => out.progress(`the line is down: again in ${(retryMs / 1000).toFixed(1)} s`));
  const session = client.session(joined.hunt_id);
  try {
    await session.whenLive();
    out.progress(`${joined.title} (${joined.status}), as ${flags.name} (${joined.player_id})`);
    // A script may want to see the answer to its own `join`; otherwise joining is understood.
    if (script?.[0]?.type !== 'join') refuseUnlessAck(await session.act({ type: 'join', name: flags.name }));
    if (script !== undefined) await playScript(session, script);
    else process.exitCode = await (await import('../play-prompt.ts')).playPrompt(session, client, out);
  } finally {
    client.close();
  }
}

async function playScript(session: HuntSession, script: readonly Action[]): Promise<void> {
  for (const action of script)
    process.stdout.write(`${JSON.stringify({ action, ...replyOf(await session.act(action)) })}\n`);
  process.exitCode = exitCode.done;
}

/** `{ack}` or `{nack}`, as `POST .../actions` gives it. */
const replyOf = (reply: Ack | Nack): { ack: Omit<Ack, 't'> } | { nack: Omit<Nack, 't'> } => {
  if (reply.t === 'ack') {
    const { t: _, ...ack } = reply;
    return { ack };
  }
  const { t: _, ...nack } = reply;
  return { nack };
};

function refuseUnlessAck(reply: Ack | Nack): void {
  if (reply.t === 'nack') throw new HuntError(reply.code, reply.message);
}

/** The whole script is read before anything is done: a typing error in its last line must not leave half a game behind. */
function readScript(file: string): Action[] {
  let text: string;
  try {
    text = readFileSync(file === '-' ? 0 : file, 'utf8');
  } catch (error) {
    throw new UsageError(
      `--script ${file} cannot be read (${(error as NodeJS.ErrnoException).code}): name a file with one action as JSON a line`,
    );
  }
  const actions: Action[] = [];
  for (const [i, line] of text.split('\n').entries()) {
    if (line.trim() === '' || line.trimStart().startsWith('#')) continue;
    try {
      const action: unknown = JSON.parse(line);
      if (typeof action !== 'object' || action === null || typeof (action as { type?: unknown }).type !== 'string')
        throw new Error('an object with a "type" is needed');
      actions.push(action as Action);
    } catch (error) {
      throw new UsageError(`--script ${file}, line ${i + 1}: ${(error as Error).message}`);
    }
  }
  return actions;
}
