/**
 * What the log itself says about the first append of a chain: asked before the first append to a stream, and whenever
 * JetStream found another sequence than was expected, or the writer may be fenced.
 */
import type { Position, Version } from '../../../proto/ids.ts';
import type { Append, AppendChain } from './append-chain.ts';
import type { SlotRegister } from './slot-register.ts';
import { headOf, recordOf, type StoredMessages, type StoredRecord } from './stored-messages.ts';
import type { Tips } from './tips.ts';

export type Verdict =
  /** It was stored before. */
  | { readonly kind: 'stored'; readonly position: Position }
  | { readonly kind: 'fenced'; readonly epoch: number }
  | { readonly kind: 'conflict'; readonly head: Version }
  /** It can be appended behind this message. */
  | { readonly kind: 'possible'; readonly behind: StoredRecord | undefined };

export interface VerdictParts {
  readonly messages: StoredMessages;
  readonly takes: SlotRegister;
  readonly tips: Tips;
}

/** Rejects when the log does not answer. */
export async function askVerdict(
  parts: VerdictParts,
  { subject, slot }: AppendChain,
  append: Append,
): Promise<Verdict> {
  const { messages, takes, tips } = parts;
  const [behind, end] = await Promise.all([
    // What lies behind the expected message is this append, or this append was never stored.
    append.isMaybeStored ? messages.next(subject, (append.tip?.seq ?? 0) + 1) : undefined,
    messages.last(subject),
    append.epoch > 0 ? takes.ask(slot) : 0,
  ]);
  const mine = behind && recordOf(behind);
  const last = end && recordOf(end);
  if (last !== undefined) tips.saw(subject, last);
  if (mine?.id === append.id) return { kind: 'stored', position: mine.seq as Position };
  const epoch = Math.max(takes.of(slot), last?.epoch ?? 0);
  if (append.epoch > 0 && epoch > append.epoch) return { kind: 'fenced', epoch };
  const head = last === undefined ? (0 as Version) : headOf(last);
  return head === append.expected ? { kind: 'possible', behind: last } : { kind: 'conflict', head };
}
