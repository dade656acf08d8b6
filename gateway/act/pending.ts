import type { CallReply } from '../../proto/generated/node/v1/link.ts';
import type { Slot, StreamId } from '../../proto/ids.ts';
import type { PlayerLane } from './player-lane.ts';

/** Where a command's bytes lie. Many commands share one buffer; it lives as long as one of them is unanswered. */
export interface Envelope {
  bytes: Uint8Array;
  /** Of what is filled. */
  length: number;
}

/**
 * Where a piece of work is. *waiting*: with the router, for an owner. *boxed*: in a link's next frame, surely not sent.
 * *sent*: on the wire. *done*: answered.
 */
export type Whereabouts = 'waiting' | 'boxed' | 'sent' | 'done';

interface Work {
  /** Order of arrival; retries keep it. */
  readonly serial: number;
  readonly slot: Slot;
  readonly deadline: number;
  where: Whereabouts;
  /** It was sent and no answer came: it may have been done. */
  unknown: boolean;
}

export interface PendingCommand extends Work {
  readonly kind: 'command';
  readonly huntId: number;
  readonly playerId: string;
  readonly seq: number;
  readonly lane: PlayerLane;
  readonly done: (reply: Uint8Array) => void;
  envelope: Envelope;
  at: number;
  readonly length: number;
}

export interface PendingCall extends Work {
  readonly kind: 'call';
  readonly stream: StreamId;
  readonly method: string;
  readonly payload: Buffer;
  /** A read may be sent again whatever became of it. */
  readonly read: boolean;
  readonly done: (reply: CallReply) => void;
}

export type Pending = PendingCommand | PendingCall;
