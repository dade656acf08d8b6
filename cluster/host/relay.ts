import { Gauge } from 'prom-client';
import { Relay } from '../../runtime/log/kafka/relay.ts';
import { connectMsDefault } from './backend.ts';
import { type Config, ConfigError } from './config.ts';
import { connectBoth } from './kafka-backend.ts';
import type { Check } from './probe-http.ts';
import { noteRelay, parkedShownMax } from './relay-status.ts';
import { type RoleContext, type RunningRole, runRole } from './role-process.ts';

const noteMs = 1_000;
/** Live events this late are noticed by players. */
const lateMs = 10_000;

/** `hunt relay`: copies what counts in Kafka into JetStream, from where gateways follow it. Returns the exit code. */
export const runRelay = (config: Config, warnings: readonly string[] = []): Promise<number> =>
  runRole(config, config.nodeId ?? 'relay', warnings, startRelay);

async function startRelay({ config, clock, timers, logger, registry }: RoleContext): Promise<RunningRole> {
  if (config.profile !== 'kafka')
    throw new ConfigError([`profile ${config.profile} has no relay: only kafka needs one`]);
  const { kafka, jetStream } = await connectBoth({ config, journal: logger, connectMs: connectMsDefault });
  const relay = await Relay.start({
    source: kafka,
    target: jetStream,
    timers,
    failed: (error) => logger.warn({ err: error }, 'the relay cannot go on at present'),
  });
  let events = 0;
  let levelAt = clock.now();
  let isNoting = false;
  let isStopping = false;
  const note = async (): Promise<void> => {
    if (isNoting || isStopping) return;
    isNoting = true;
    try {
      events = await relay.lag();
      if (events === 0) levelAt = clock.now();
      const parked = [...relay.parked].slice(0, parkedShownMax).map(([hunt, message]) => ({ hunt, message }));
      await noteRelay(jetStream, { events, at: clock.now(), levelAt, parked });
    } catch (error) {
      if (!isStopping) logger.warn({ err: error }, 'how far the relay is behind cannot be told at present');
    }
    isNoting = false;
  };
  await note();
  const stopNoting = timers.every(noteMs, () => void note());
  new Gauge({
    name: 'hunt_relay_lag_events',
    help: 'Events that are in Kafka and not relayed yet',
    registers: [registry],
    collect() {
      this.set(events);
    },
  });
  new Gauge({
    name: 'hunt_relay_parked',
    help: 'Hunts whose live events are not copied any more: JetStream lacks versions that Kafka has let go of',
    registers: [registry],
    collect() {
      this.set(relay.parked.size);
    },
  });
  return {
    checks: () => {
      const behindMs = clock.now() - levelAt;
      return [
        { name: 'kafka', ok: kafka.fault === undefined, ...(kafka.fault === undefined ? {} : { detail: kafka.fault }) },
        { name: 'nats', ok: jetStream.isUp },
        {
          name: 'relay',
          ok: behindMs < lateMs,
          ...(behindMs < lateMs ? {} : { detail: `${events} events behind for ${Math.round(behindMs / 1_000)} s` }),
        },
        parkedCheck(relay),
      ];
    },
    probes: { title: 'Treasure Hunt Engine: relay' },
    stop: async () => {
      isStopping = true;
      stopNoting();
      await relay.close();
      await kafka.close();
      await jetStream.close();
    },
  };
}

function parkedCheck({ parked }: Relay): Check {
  const [first] = parked;
  if (first === undefined) return { name: 'parked', ok: true };
  return { name: 'parked', ok: false, detail: `${parked.size} hunts are not copied; ${first[0]}: ${first[1]}` };
}
