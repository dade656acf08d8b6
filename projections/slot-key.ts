import { type Slot, slotOf } from '../proto/ids.ts';

/**
 * The value by which rows are distributed. With 256 shards, Citus keeps in shard s what its hash maps there, so a slot is a
 * shard exactly if `slot_key` of slot s is a number whose hash lies in the s-th of 256 equal ranges: here the smallest
 * k >= 0 with `((worker_hash(k)::bigint + 2147483648) >> 24) = s`. (`worker_hash` of an integer is PostgreSQL's own
 * `hashint4`, which is the same for a smallint; both are stable, since hash indexes and partitions rest on them.)
 * The schema verifies the mapping at every start on Citus; a test computes these numbers again.
 */
export const slotKeys: readonly number[] = [
  354, 298, 60, 146, 443, 8, 132, 20, 230, 303, 259, 82, 118, 205, 1, 15, 291, 155, 344, 31, 119, 88, 311, 458, 412,
  148, 79, 94, 26, 33, 340, 24, 520, 35, 157, 10, 115, 129, 598, 92, 104, 198, 579, 48, 109, 234, 466, 516, 5, 53, 208,
  652, 290, 323, 928, 112, 196, 50, 77, 200, 166, 178, 504, 632, 61, 912, 93, 4, 141, 7, 215, 228, 368, 17, 416, 51,
  729, 172, 689, 287, 133, 162, 16, 187, 111, 295, 747, 96, 564, 269, 170, 492, 217, 324, 375, 85, 302, 36, 202, 191,
  89, 1487, 271, 619, 110, 174, 453, 19, 106, 55, 64, 0, 37, 40, 262, 65, 45, 633, 264, 103, 656, 158, 101, 261, 117,
  121, 3, 439, 161, 293, 232, 113, 406, 366, 57, 52, 160, 62, 501, 353, 99, 422, 480, 367, 522, 165, 731, 136, 525, 168,
  645, 509, 102, 357, 413, 46, 140, 28, 186, 154, 86, 6, 73, 192, 144, 66, 71, 356, 1512, 335, 70, 184, 21, 278, 477,
  34, 749, 83, 194, 124, 49, 265, 39, 574, 43, 56, 167, 249, 454, 371, 126, 13, 387, 47, 308, 2, 426, 382, 388, 351,
  349, 27, 199, 846, 95, 300, 114, 552, 1101, 333, 134, 58, 314, 149, 481, 1004, 307, 41, 490, 219, 224, 631, 179, 185,
  479, 131, 30, 9, 116, 80, 81, 90, 59, 515, 72, 128, 260, 190, 22, 233, 381, 29, 517, 12, 275, 78, 195, 11, 67, 726,
  169, 44, 240, 107, 75, 18,
];

export const slotKeyOf = (slot: Slot): number => slotKeys[slot] as number;
export const slotKeyOfHunt = (huntId: number): number => slotKeyOf(slotOf(huntId));

const slotsByKey = new Map(slotKeys.map((key, slot) => [key, slot as Slot]));
export function slotOfKey(key: number): Slot {
  const slot = slotsByKey.get(key);
  if (slot === undefined) throw new Error(`${key} is the key of no slot`);
  return slot;
}
