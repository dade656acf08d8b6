import type { Clock } from '../../runtime/kernel/clock.ts';
import type { ProfileBackend } from './backend.ts';
import type { Config } from './config.ts';
import type { Check } from './probe-http.ts';

/** Whose trouble it is, for somebody who reads /readyz and nothing else. */
const whose: Readonly<Record<Config['profile'], string>> = {
  embedded: 'the log process (its own log says why it ended; one that hangs may be killed, and is started again)',
  nats: 'nats-server (HUNT_NATS_URL)',
  kafka: 'Kafka (HUNT_KAFKA_BROKERS)',
};

/** Whether the log answers; if not, for how long not, and who should. */
export function logCheck(
  { profile }: Pick<Config, 'profile'>,
  { state }: Pick<ProfileBackend, 'state'>,
  clock: Pick<Clock, 'monotonic'>,
): Check {
  const { up, lastHeardMs } = state();
  if (up) return { name: 'log', ok: true };
  const silentMs = clock.monotonic() - lastHeardMs;
  const since = Number.isFinite(silentMs) ? `for ${Math.round(silentMs / 1_000)} s` : 'since this process started';
  return { name: 'log', ok: false, detail: `nothing was heard ${since} of ${whose[profile]}` };
}
