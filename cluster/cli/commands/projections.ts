import { HuntError } from '../../../gateway/sdk/hunt-error.ts';
import { LagReader, summaryOf } from '../../../projections/lag-reader.ts';
import { noProjectionMetrics } from '../../../projections/metrics.ts';
import { RebuildFault, rebuildAll } from '../../../projections/rebuild.ts';
import { rebuildHunt } from '../../../projections/rebuild-hunt.ts';
import { sentenceOf } from '../../../projections/sql-fault.ts';
import { systemClock } from '../../../runtime/kernel/clock.ts';
import { systemRandom } from '../../../runtime/kernel/random.ts';
import { systemTimers } from '../../../runtime/kernel/timer.ts';
import { type Backend, connectBackend } from '../../host/backend.ts';
import type { Config } from '../../host/config.ts';
import { logNameOf } from '../../host/log-name.ts';
import { storeUrls } from '../../host/store-url.ts';
import { ViewLog } from '../../view-log.ts';
import { UsageError } from '../exit-code.ts';
import { Output, type OutputFlags, table } from '../output.ts';
import { ProgressBar } from '../progress-bar.ts';
import { Target, type TargetFlags } from '../target.ts';

type Flags = TargetFlags & OutputFlags;

const slotsShownMax = 10;

export async function projectionsLag(flags: Flags): Promise<void> {
  const out = new Output(flags);
  await withStore(flags, out, async (backend, pgUrls, config) => {
    const lineage = await lineageIn(backend);
    const reader = new LagReader({
      log: backend.log,
      pgUrls,
      clock: systemClock,
      timers: systemTimers,
      logName: () => (lineage === '' ? undefined : logNameOf(config, lineage)),
    });
    try {
      const { slots, parked, beyond, fault } = await reader.report();
      const worst = summaryOf(slots);
      const max = slots.find(({ slot }) => slot === worst.worst_slot);
      out.result({ slots, max, parked, beyond, ...(fault === undefined ? {} : { fault }) }, () =>
        [
          ...(fault === undefined ? [] : [out.paint('red', fault)]),
          `${worst.events} events behind, the oldest for ${worst.seconds.toFixed(1)} s`,
          ...(worst.events === 0 ? [] : [slotTable(slots, out)]),
          ...(parked.length === 0
            ? []
            : [
                `parked hunts: ${parked.map(({ huntId, reason }) => `${huntId} (${reason})`).join(', ')}`,
                'once the cause is gone, hunt projections rebuild --hunt ID takes one back',
              ]),
          ...(beyond.length === 0 ? [] : [`${beyond.length} slots have rows of another log: rebuild them`]),
        ].join('\n'),
      );
    } finally {
      reader.close();
    }
  });
}

function slotTable(
  slots: readonly { slot: number; position: number; events: number; seconds: number }[],
  out: Output,
): string {
  const behind = slots.filter(({ events }) => events > 0).sort((a, b) => b.seconds - a.seconds);
  const rows = behind
    .slice(0, slotsShownMax)
    .map((one) => [one.slot, one.position, one.events, one.seconds.toFixed(1)]);
  return table(['>SLOT', '>POSITION', '>EVENTS', '>SECONDS'], rows, out.paint);
}

export async function projectionsRebuild(flags: Flags & { hunt?: number; all?: boolean }): Promise<void> {
  const out = new Output(flags);
  if ((flags.hunt === undefined) === (flags.all !== true)) throw new UsageError('give --hunt ID or --all');
  const bar = new ProgressBar('rebuilding {bar} {percentage}% {note}', out.quiet);
  try {
    await withStore(flags, out, async (backend, pgUrls) => {
      const journal = {
        info: () => undefined,
        warn: (facts: object, message: string) => out.progress(`${message}: ${JSON.stringify(facts)}`),
        error: (facts: object, message: string) => out.progress(`${message}: ${JSON.stringify(facts)}`),
      };
      const options = {
        log: backend.log,
        pgUrls,
        clock: systemClock,
        timers: systemTimers,
        random: systemRandom,
        metrics: noProjectionMetrics,
        journal,
      };
      const progress = ({ done, events }: { done: number; events: number }) => bar.update(done, `${events} events`);
      const result =
        flags.hunt === undefined
          ? await rebuildAll(options, progress)
          : await rebuildHunt(options, flags.hunt, progress);
      bar.stop();
      out.result(
        result,
        () => `rebuilt ${result.hunts} hunts from ${result.events} events in ${result.seconds.toFixed(1)} s`,
      );
    });
  } finally {
    bar.stop();
  }
}

/** The name of the log itself; empty: no cluster was formed in it yet. */
async function lineageIn(backend: Backend): Promise<string> {
  const viewLog = await ViewLog.open({ ...backend, clock: systemClock, random: systemRandom, timers: systemTimers });
  viewLog.close();
  return viewLog.view.lineage;
}

/** Reaches log and PostgreSQL as a projector does. */
async function withStore(
  flags: TargetFlags,
  out: Output,
  run: (backend: Backend, pgUrls: readonly string[], config: Config) => Promise<void>,
): Promise<void> {
  const config = new Target(flags).tool();
  const pgUrls = await storeUrls(config);
  if (pgUrls === undefined)
    throw new UsageError(
      `there is no PostgreSQL: give HUNT_PG_URL, or --data-dir of a cluster that runs its own (${config.dataDir} has none)`,
    );
  const backend = await connectBackend(config, {
    info: () => undefined,
    warn: (facts, sentence) => out.progress(`${sentence} ${JSON.stringify(facts)}`),
  }).catch((error: unknown) => {
    throw (error as Error).name === 'LogUnavailableError'
      ? new HuntError('UNREACHABLE', (error as Error).message)
      : error;
  });
  try {
    await run(backend, pgUrls, config);
  } catch (error) {
    if (error instanceof RebuildFault) throw new HuntError('WRONG_STATE', error.message);
    if (error instanceof Error && error.name === 'LogUnavailableError')
      throw new HuntError('UNREACHABLE', error.message);
    if (isOfPostgres(error)) throw new HuntError('UNREACHABLE', `PostgreSQL: ${sentenceOf(error)}`);
    throw error;
  } finally {
    await backend.close();
  }
}

/** An SQLSTATE or a code of the operating system; or that of several servers none takes writes. */
const isOfPostgres = (error: unknown): boolean =>
  typeof (error as { code?: unknown }).code === 'string' || (error as Error).name === 'NoPrimaryError';
