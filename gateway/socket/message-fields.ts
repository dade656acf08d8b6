/** Fields that several messages have. */
export const isSeq = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 1;
export const isHunt = isSeq;
