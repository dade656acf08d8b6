/**
 * How a gateway that drains sends its sockets away: in stages, each with a jittered time to come back, so that neither its own
 * loop nor the gateways that take them over meet them all at once. Who has not been told yet is served as ever.
 */
import type { Random } from '../../runtime/kernel/random.ts';
import type { Timers } from '../../runtime/kernel/timer.ts';

/** 18,000 sockets leave within 5 s, well inside what a supervisor waits for. */
const socketsPerStage = 200;
const stageMs = 50;

export interface Departing {
  close(name: 'restarting', retryMs: number): void;
}

/** Resolves when everybody was told. */
export function sendAway(
  sessions: Iterable<Departing>,
  retryMsMax: number,
  { timers, random }: { readonly timers: Timers; readonly random: Random },
): Promise<void> {
  const waiting = [...sessions];
  return new Promise((resolve) => {
    const stage = (): void => {
      for (const session of waiting.splice(0, socketsPerStage))
        session.close('restarting', Math.ceil(random.next() * retryMsMax));
      if (waiting.length === 0) resolve();
      else timers.after(stageMs, stage);
    };
    stage();
  });
}
