import { randomBytes } from 'node:crypto';

/** The one door to randomness. `next` is for jitter and spreading; `token` for anything that must not be guessed. */
export interface Random {
  /** 0 <= next < 1. */
  next(): number;
  /** Unpredictable, base64url, `bytes` long before encoding. */
  token(bytes: number): string;
}

export const systemRandom: Random = {
  next: () => Math.random(),
  token: (bytes) => randomBytes(bytes).toString('base64url'),
};
