/**
 * Branded ids and positions, so that mixing them up does not compile, and how the ones that we mint are made.
 */
declare const brand: unique symbol;
type Branded<T, B extends string> = T & { readonly [brand]: B };

/** A positive integer below 2^53, time-ordered; its low 8 bits are its slot. */
export type HuntId = Branded<number, 'HuntId'>;
/** 0..255: the one unit of placement and of log partitioning. */
export type Slot = Branded<number, 'Slot'>;
/** An event's number in its stream, from 1; 0 = before the first. */
export type Version = Branded<number, 'Version'>;
/** A place in a slot's log; only comparable with positions of the same slot and backend. */
export type Position = Branded<number, 'Position'>;

export const slotCount = 256;

/** One actor's log: an actor kind ("hunt", "code", "key", "cluster") and its number. */
export interface StreamId {
  readonly kind: string;
  readonly id: number;
}

export const streamKey = (stream: StreamId): string => `${stream.kind}/${stream.id}`;
export const slotOf = (id: number): Slot => (id % slotCount) as Slot;

export const idPattern = /^[A-Za-z0-9_.:-]{1,64}$/;
/** Whose events an alarm's are, and a designer's hunt-wide acts'; neither is an id, so neither can collide with a player. */
export const systemPlayer = '@system';
export const adminPlayer = '@admin';

/** 32 characters without 0 O 1 I: five bits each. */
export const joinCodeAlphabet = 'ABCDEFGHJKLMNPQRSTUVWXYZ23456789';
export const joinCodeLength = 6;
export const joinCodePattern = /^[A-HJ-NP-Z2-9]{6}$/;

/** The stream number of a join code (0..2^30-1). The code must match {@link joinCodePattern}. */
export function joinCodeNumber(code: string): number {
  let number = 0;
  for (const char of code) number = number * 32 + joinCodeAlphabet.indexOf(char);
  return number;
}

/** The join code with that number (0..2^30-1). */
export function joinCodeOf(number: number): string {
  let code = '';
  for (let rest = number, i = 0; i < joinCodeLength; i++, rest = Math.floor(rest / 32))
    code = joinCodeAlphabet[rest % 32] + code;
  return code;
}

const idEpochMs = Date.UTC(2025, 0, 1);

/**
 * Mints hunt ids without coordination: 40 bits of milliseconds since 2025, 5 random bits, and 8 bits of slot handed out
 * round-robin from a random start. Two minters can draw the same id only in one millisecond; the conditional append at
 * version 0 then refuses the second, which draws again.
 */
export function huntIdMinter(clock: { now(): number }, random: { next(): number }): () => HuntId {
  let slot = Math.floor(random.next() * slotCount);
  return () => {
    slot = (slot + 1) % slotCount;
    const ms = clock.now() - idEpochMs;
    return ((ms * 32 + Math.floor(random.next() * 32)) * slotCount + slot) as HuntId;
  };
}
