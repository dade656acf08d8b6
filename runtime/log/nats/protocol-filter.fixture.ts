/** Takes single messages out of what a NATS server sends, as a cluster's route that breaks would. Test code. */
import type { Direction, Filter } from '../tcp-proxy.fixture.ts';

const crlf = Buffer.from('\r\n');

/** Without the messages whose subject `loses`; everything else as it came, as soon as it is complete. */
export function withoutMessages(direction: Direction, loses: (subject: string) => boolean): Filter {
  if (direction === 'up') return (chunk) => chunk;
  let rest = Buffer.alloc(0);
  return (chunk) => {
    rest = Buffer.concat([rest, chunk]);
    const passed: Buffer[] = [];
    for (let end = endOf(rest); end !== undefined; end = endOf(rest)) {
      const frame = rest.subarray(0, end);
      rest = rest.subarray(end);
      const [verb, subject = ''] = frame.subarray(0, frame.indexOf(crlf)).toString('latin1').split(' ');
      if (!((verb === 'HMSG' || verb === 'MSG') && loses(subject))) passed.push(frame);
    }
    return Buffer.concat(passed);
  };
}

/** Where the first line, with the payload that it announces, ends. */
function endOf(bytes: Buffer): number | undefined {
  const line = bytes.indexOf(crlf);
  if (line < 0) return undefined;
  const words = bytes.subarray(0, line).toString('latin1').split(' ');
  const announces = words[0] === 'HMSG' || words[0] === 'MSG';
  const end = line + 2 + (announces ? Number(words.at(-1)) + 2 : 0);
  return end <= bytes.length ? end : undefined;
}
