import { eventLine, Names } from '../event-line.ts';
import { exitCode } from '../exit-code.ts';
import { interrupted } from '../interrupt.ts';
import { Output, type OutputFlags, table } from '../output.ts';
import { Target, type TargetFlags } from '../target.ts';

/** Follows until it is interrupted; lost lines are taken up again where they broke. */
export async function watch(
  id: number,
  flags: TargetFlags & OutputFlags & { from?: number; board?: boolean },
): Promise<void> {
  const out = new Output(flags);
  const target = new Target(flags);
  const client = target.client(target.token());
  const session = client.session(id, flags.from === undefined ? {} : { from: flags.from });
  const names = new Names();
  session.on('event', (event) => {
    names.learn(event);
    out.result(event, () => eventLine(event, names.of, out.paint));
  });
  session.on('live', ({ version, resumed }) =>
    out.progress(`${resumed ? 'caught up' : 'watching'}, at version ${version}`),
  );
  session.on('reset', ({ reason, version }) => out.progress(`starting over at version ${version} (${reason})`));
  session.on('fault', ({ what, cursor }) => out.progress(`the server left a gap (${what}, held ${cursor}): resuming`));
  client.on('waiting', ({ retryMs, reason }) =>
    out.progress(`the line is down${reason ? ` (${reason})` : ''}: again in ${(retryMs / 1000).toFixed(1)} s`),
  );
  if (flags.board)
    session.on('board', (board) => {
      const rows = board.top.map((row) => [row.rank, row.name, row.points]);
      out.result(board, () =>
        rows.length === 0 ? 'Nobody is on the board yet.' : table(['>RANK', 'NAME', '>POINTS'], rows, out.paint),
      );
    });
  const ended = new Promise<never>((_, reject) => session.on('closed', reject));
  await Promise.race([interrupted(), ended]);
  client.close();
  process.exitCode = exitCode.interrupted;
}
