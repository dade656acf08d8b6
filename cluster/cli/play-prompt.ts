/** Playing by hand: one line, one command; what others do and what opens is told as it happens. */
import { createInterface } from 'node:readline/promises';
import type { HuntClient } from '../../gateway/sdk/hunt-client.ts';
import type { HuntSession } from '../../gateway/sdk/hunt-session.ts';
import type { Ack, Action, Me, Nack, StageView } from '../../gateway/sdk/messages.ts';
import { eventLine, Names } from './event-line.ts';
import { exitCode } from './exit-code.ts';
import { localTime, type Output, type Paint, table } from './output.ts';

const help = `  status                     my stages, clues, treasures and points
  board                      the scoreboard
  answer CLUE TEXT           answer a clue
  scan CODE                  scan a code
  checkin LAT LON [ACCURACY] check in at a place (accuracy in metres, 10)
  claim TREASURE [LAT LON] [code CODE]
  hint CLUE                  the next hint
  skip [STAGE]               give a stage up
  team NAME | jointeam TEAM [PIN]
  finish | leave | quit`;
const accuracyM = 10;

export async function playPrompt(session: HuntSession, client: HuntClient, out: Output): Promise<number> {
  const { paint } = out;
  const lines = createInterface({
    input: process.stdin,
    output: process.stdout,
    terminal: process.stdin.isTTY === true,
  });
  const names = new Names();
  const say = (text: string): void => {
    if (process.stdout.isTTY) process.stdout.write('\r\u001b[K');
    process.stdout.write(`${text}\n`);
    if (process.stdout.isTTY) lines.prompt(true);
  };
  session.on('event', (event) => {
    names.learn(event);
    if (event.player !== session.me?.player) say(eventLine(event, names.of, paint));
  });
  session.on('reset', ({ reason }) => say(`(starting over: ${reason})`));
  let code: number = exitCode.done;
  session.on('closed', (error) => {
    if (error.code !== 'CLOSED' || error.closeCode !== undefined) {
      process.stderr.write(`${error.code}: ${error.message}\n`);
      code = exitCode.refused;
    }
    lines.close();
  });
  lines.on('SIGINT', () => {
    code = exitCode.interrupted;
    lines.close();
  });
  lines.setPrompt('> ');
  process.stdout.write(`${describeMe(session.me, paint)}\n\n${help}\n`);
  lines.prompt();
  for await (const line of lines) {
    const words = line.trim().split(/\s+/).filter(Boolean);
    if (words[0] === 'quit' || words[0] === 'exit') break;
    if (words.length > 0) process.stdout.write(`${await answer(words, session, client, paint)}\n`);
    lines.prompt();
  }
  lines.close();
  return code;
}

async function answer(
  words: readonly string[],
  session: HuntSession,
  client: HuntClient,
  paint: Paint,
): Promise<string> {
  const verb = (words[0] as string).toLowerCase();
  if (verb === 'help' || verb === '?') return help;
  if (verb === 'status' || verb === 'me') return describeMe(session.me, paint);
  if (verb === 'board') {
    const board = session.board?.top ?? session.hunt?.top ?? [];
    return board.length === 0
      ? 'Nobody has joined yet.'
      : table(
          ['>RANK', 'NAME', '>POINTS'],
          board.map((row) => [row.rank, row.name, row.points]),
          paint,
        );
  }
  const action = actionOf(verb, words.slice(1));
  if (action === undefined) return `I don't understand "${words.join(' ')}". Try help.`;
  return describeReply(await session.act(action), client.now(), paint);
}

function actionOf(verb: string, rest: readonly string[]): Action | undefined {
  const [first, second, third] = rest;
  const number = (text: string | undefined): number | undefined =>
    text !== undefined && Number.isFinite(Number(text)) ? Number(text) : undefined;
  switch (verb) {
    case 'join':
    case 'leave':
    case 'finish':
      return { type: verb };
    case 'answer':
      return first === undefined || rest.length < 2
        ? undefined
        : { type: 'answer', clue: first, text: rest.slice(1).join(' ') };
    case 'scan':
      return first === undefined ? undefined : { type: 'scan', code: rest.join(' ') };
    case 'checkin': {
      const [lat, lon] = [number(first), number(second)];
      return lat === undefined || lon === undefined
        ? undefined
        : { type: 'check_in', lat, lon, accuracy: number(third) ?? accuracyM };
    }
    case 'claim': {
      if (first === undefined) return undefined;
      const [lat, lon] = [number(second), number(third)];
      const at = lat === undefined || lon === undefined ? {} : { lat, lon, accuracy: accuracyM };
      const code = rest.indexOf('code');
      return {
        type: 'claim',
        treasure: first,
        ...at,
        ...(code > 0 && rest[code + 1] ? { code: rest.slice(code + 1).join(' ') } : {}),
      };
    }
    case 'hint':
      return first === undefined ? undefined : { type: 'hint', clue: first };
    case 'skip':
      return { type: 'skip', ...(first ? { stage: first } : {}) };
    case 'team':
      return first === undefined ? undefined : { type: 'create_team', name: rest.join(' ') };
    case 'jointeam':
      return first === undefined ? undefined : { type: 'join_team', team: first, ...(second ? { pin: second } : {}) };
    default:
      return undefined;
  }
}

function describeReply(reply: Ack | Nack, now: number, paint: Paint): string {
  if (reply.t === 'nack') {
    const until = reply.detail?.locked_until;
    const left = reply.detail?.attempts_left;
    const wait = until !== undefined && until > now ? `, locked for ${Math.ceil((until - now) / 1000)} s` : '';
    return paint('red', `${reply.code}: ${reply.message}${left === undefined ? '' : ` (${left} tries left${wait})`}`);
  }
  const { points, total, text, opened, stock_left: stock, first } = reply.result;
  const parts = [
    points === 0 ? 'Done' : `${points > 0 ? '+' : ''}${points} points`,
    ...(text === undefined ? [] : [`hint: ${text}`]),
    ...(first ? ['first of all!'] : []),
    ...(stock === undefined ? [] : [`${stock} left`]),
    ...(opened === undefined || opened.length === 0 ? [] : [`now open: ${opened.join(', ')}`]),
    `total ${total}`,
  ];
  return paint('green', parts.join(' · '));
}

const mark: Readonly<Record<StageView['state'], string>> = {
  locked: '·',
  open: '○',
  done: '●',
  skipped: '–',
  failed: '×',
};

function describeMe(me: Me | null | undefined, paint: Paint): string {
  if (!me) return 'Not joined.';
  const lines = [
    `${paint('bold', me.name ?? me.player)}: ${me.total} points${me.rank ? `, rank ${me.rank}` : ''} (${me.status})`,
  ];
  for (const [id, stage] of Object.entries(me.stages)) {
    if (stage.state === 'locked' && stage.title === undefined) continue;
    const facts = [
      stage.points ? `${stage.points} points` : undefined,
      stage.attempts_left === undefined ? undefined : `${stage.attempts_left} tries`,
      stage.locked_until === undefined ? undefined : `locked until ${localTime(stage.locked_until)}`,
      stage.pin === undefined ? undefined : `at ${stage.pin.lat}, ${stage.pin.lon} (${stage.pin.radius_m} m)`,
    ].filter((fact) => fact !== undefined);
    lines.push(
      ` ${mark[stage.state] ?? '?'} ${stage.title ?? id} [${id}]${facts.length > 0 ? paint('dim', `  ${facts.join(', ')}`) : ''}`,
    );
    if (stage.state !== 'open') continue;
    if (stage.text) lines.push(`     ${stage.text}`);
    for (const [clue, view] of Object.entries(stage.clues ?? {})) {
      lines.push(`     ${paint('cyan', clue)}: ${view.text}${view.choices ? `  (${view.choices.join(' | ')})` : ''}`);
      for (const hint of view.hints) lines.push(`       hint: ${hint}`);
      if (view.hints_left > 0)
        lines.push(
          paint(
            'dim',
            `       ${view.hints_left} more ${view.hints_left === 1 ? 'hint' : 'hints'}, the next costs ${view.next_hint_cost ?? 0}`,
          ),
        );
    }
  }
  for (const [id, treasure] of Object.entries(me.treasures)) {
    const stock = treasure.stock_left === undefined ? '' : `, ${treasure.stock_left} left`;
    lines.push(
      ` ◆ ${treasure.title} [${id}]  ${treasure.points} points${stock}${treasure.mine > 0 ? `, mine: ${treasure.mine}` : ''}`,
    );
  }
  return lines.join('\n');
}
