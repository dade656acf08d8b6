/**
 * How long a simulated player waits before it sends again what was refused for the moment. Each refusal makes the wait longer,
 * for who asks again at once only asks more often; but a gateway that counts a player's actions names the time until they may
 * all come, and a multiple of that would keep the player away for longer than a run lasts.
 */
const retryDefaultMs = 200;
/** The wait doubles up to this many times, and not beyond so long. */
const doublingsMax = 3;
const doubledMsMax = 5_000;

/**
 * In ms; never less than `askedMs`, which is the refusal's `retry_ms`. `refusals` is how many came before it, `luck` lies between
 * 0 and 1 and makes the wait up to half as long again.
 */
export function retryWaitMs(askedMs: number | undefined, refusals: number, luck: number): number {
  const asked = askedMs ?? retryDefaultMs;
  const doubled = Math.min(doubledMsMax, asked * 2 ** Math.min(refusals, doublingsMax));
  return Math.max(asked, doubled) * (1 + luck / 2);
}
