import { Archiver } from '../../projections/archive.ts';
import { archiveMetrics } from '../../projections/archive-metrics.ts';
import type { Slot } from '../../proto/ids.ts';
import type { Backend } from './backend.ts';
import type { Config } from './config.ts';
import { registerMetrics } from './metrics.ts';
import type { RoleContext } from './role-process.ts';

/** Of what the log may take in JetStream: beyond, history leaves for the archive before its time, so that play never meets a full log. */
const fullPart = 0.6;

export async function startArchiver(
  { config, clock, timers, logger, registry }: RoleContext,
  backend: Backend,
  ownedSlots: () => Iterable<Slot>,
): Promise<Archiver> {
  const archiver = new Archiver({
    log: backend.own,
    archive: backend.archive,
    ownedSlots,
    keepMs: config.logKeep,
    keepBytes: await keepBytes(config),
    clock,
    timers,
    journal: logger,
    metrics: registerMetrics(registry, archiveMetrics),
  });
  archiver.start();
  return archiver;
}

async function keepBytes(config: Config): Promise<number> {
  if (config.logKeepBytes !== undefined) return config.logKeepBytes;
  if (config.profile !== 'nats') return 0;
  const { logBytesMaxDefault } = await import('../../runtime/log/nats/stream-config.ts');
  return Math.floor((config.natsLogBytes ?? logBytesMaxDefault) * fullPart);
}
