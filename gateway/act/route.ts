import type { ErrorCode } from '../../proto/error-code.ts';
import type { Slot, StreamId } from '../../proto/ids.ts';

/** Where slots are served, as the gateway sees it. The cluster's view implements it; the gateway only asks. */
export interface Placement {
  /** The number of the view that this answers from. */
  readonly view: number;
  ownerOf(slot: Slot): NodeAddress | undefined;
  /** Called after every newer view. Returns how to stop listening. */
  onChange(listener: () => void): () => void;
}

export interface NodeAddress {
  readonly id: string;
  readonly incarnation: number;
  /** A Unix socket's path, or host:port. */
  readonly addr: string;
}

/** The way to the actors: finds the owner, waits out a failover for a bounded time, always answers. */
export interface Route {
  /**
   * Sends one encoded hunt.v1 SubmitRequest (copied before the call returns) and calls `done` once, with the encoded SubmitReply.
   * Commands of one player stay in order. When no owner answered within the bound, the reply is a nack: BUSY if the
   * command was surely not sent, UNAVAILABLE if its outcome is unknown.
   */
  submit(huntId: number, playerId: string, seq: number, request: Uint8Array, done: (reply: Uint8Array) => void): void;
  /** Calls a command or query of an actor kind by name. Resends by itself only what is a read or was surely not sent. Never rejects. */
  call(stream: StreamId, method: string, body: unknown): Promise<CallOutcome>;
}

export type CallOutcome =
  | { readonly ok: true; readonly version: number; readonly body: unknown }
  | {
      readonly ok: false;
      readonly code: ErrorCode;
      readonly message: string;
      readonly retryMs?: number;
      readonly detail?: Readonly<Record<string, unknown>>;
    };
