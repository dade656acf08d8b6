/**
 * `ev` frames. An event's bytes are made once per codec; a frame is made once per hunt, audience and codec, preframed,
 * and written as it is to every socket whose cursor stands at its `after` (I6).
 */
import { type Codec, wsFrame } from '../socket/frame.ts';
import type { PublicEvent } from './event-reader.ts';

/** PROTOCOL.md: the bounds of one `ev` frame. */
export const frameEventsMax = 256;
export const frameBytesMax = 64 * 1024;
/** What a frame has around its events. */
const envelopeBytes = 256;

export class SharedEvent {
  readonly #encoded: [Buffer | undefined, Buffer | undefined] = [undefined, undefined];

  constructor(readonly event: PublicEvent) {}

  get version(): number {
    return this.event.version;
  }
  /** Whether it concerns everybody: an alarm's or a designer's. */
  get forAll(): boolean {
    return this.event.player.startsWith('@');
  }
  bytes(codec: Codec): Buffer {
    const bytes = this.#encoded[codec.index] ?? codec.encode(this.event.body);
    this.#encoded[codec.index] = bytes;
    return bytes;
  }
  /** Whether it is for the audience of that player and team. */
  concerns(player: string | undefined, team: string | undefined): boolean {
    const event = this.event;
    return this.forAll || event.player === player || (team !== undefined && event.team === team);
  }
}

export interface EvFrame {
  readonly bytes: Buffer;
  readonly upto: number;
}

/** The frames that cover (after, upto] with these events, cut at the contract's bounds. */
export function evFrames(
  codec: Codec,
  hunt: number,
  after: number,
  upto: number,
  events: readonly SharedEvent[],
  encoded: () => void,
): EvFrame[] {
  const frames: EvFrame[] = [];
  let start = after;
  let at = 0;
  do {
    const parts: Buffer[] = [];
    let bytes = envelopeBytes;
    while (at < events.length && parts.length < frameEventsMax) {
      const part = (events[at] as SharedEvent).bytes(codec);
      if (parts.length > 0 && bytes + part.length + 1 > frameBytesMax) break;
      parts.push(part);
      bytes += part.length + 1;
      at++;
    }
    const end = at === events.length ? upto : (events[at - 1] as SharedEvent).version;
    const message = codec.assemble({ t: 'ev', hunt, after: start, upto: end }, [['events', codec.list(parts)]]);
    frames.push({ bytes: wsFrame(message, codec.binary), upto: end });
    encoded();
    start = end;
  } while (at < events.length);
  return frames;
}
