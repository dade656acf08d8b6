/**
 * Receipts: what a player's row remembers of its commands, so that a command sent again has one effect (I4). Folded from
 * events alone, so they survive passivation, failover and replay.
 *
 * The window is over sequence numbers: every effect with a seq in (lastSeq - 16, lastSeq] is remembered. Refusals without
 * effect are not. A row keeps its receipts flat, four numbers each, in no order: seq, version (of the last event), events,
 * fingerprint.
 */
export const receiptWindow = 16;
const width = 4;

export interface Receipts {
  /** The highest seq with an effect; 0 if none. */
  lastSeq: number;
  receipts: number[];
}

export type ReceiptVerdict =
  | { readonly kind: 'fresh' }
  | { readonly kind: 'stale' }
  | { readonly kind: 'conflict' }
  | { readonly kind: 'duplicate'; readonly version: number; readonly events: number };

const fresh: ReceiptVerdict = { kind: 'fresh' };
const stale: ReceiptVerdict = { kind: 'stale' };
const conflict: ReceiptVerdict = { kind: 'conflict' };

export function judge(row: Readonly<Receipts>, seq: number, fingerprint: number): ReceiptVerdict {
  if (seq > row.lastSeq) return fresh;
  if (seq <= row.lastSeq - receiptWindow) return stale;
  const { receipts } = row;
  for (let i = 0; i < receipts.length; i += width) {
    if (receipts[i] !== seq) continue;
    if (receipts[i + 3] !== fingerprint) return conflict;
    return { kind: 'duplicate', version: receipts[i + 1] as number, events: receipts[i + 2] as number };
  }
  return fresh;
}

/** Folds one event of a player's command (seq > 0) into the player's row. */
export function remember(row: Receipts, event: { seq: number; version: number; fingerprint: number }): void {
  const { receipts } = row;
  for (let i = 0; i < receipts.length; i += width) {
    if (receipts[i] !== event.seq) continue;
    receipts[i + 1] = event.version;
    receipts[i + 2] = (receipts[i + 2] as number) + 1;
    return;
  }
  if (event.seq > row.lastSeq) {
    row.lastSeq = event.seq;
    dropBelow(receipts, event.seq - receiptWindow);
  }
  if (event.seq > row.lastSeq - receiptWindow) receipts.push(event.seq, event.version, 1, event.fingerprint);
}

function dropBelow(receipts: number[], seq: number): void {
  let kept = 0;
  for (let i = 0; i < receipts.length; i += width) {
    if ((receipts[i] as number) <= seq) continue;
    if (kept !== i) for (let j = 0; j < width; j++) receipts[kept + j] = receipts[i + j] as number;
    kept += width;
  }
  receipts.length = kept;
}
