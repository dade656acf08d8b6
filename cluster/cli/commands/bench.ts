import type { HttpApi } from '../../../gateway/sdk/http-api.ts';
import { HuntError } from '../../../gateway/sdk/hunt-error.ts';
import { Latencies } from '../bench/latencies.ts';
import { Load } from '../bench/load.ts';
import { exitCode } from '../exit-code.ts';
import { Output, type OutputFlags } from '../output.ts';
import { ProgressBar } from '../progress-bar.ts';
import { Target, type TargetFlags } from '../target.ts';

interface BenchFlags extends TargetFlags, OutputFlags {
  hunts: number;
  players: number;
  inFlight: number;
  seconds: number;
  targetEps?: number;
  targetP99Ms?: number;
  grpc?: string;
}
interface BenchReport {
  acked_per_s: number;
  p50_ms: number;
  p99_ms: number;
  /** Commands that ended otherwise than by an ack, and streams that broke. */
  errors: number;
  /** Every refusal by code, the retried ones included. */
  refusals: Record<string, number>;
  measured: string;
  not_measured: string;
}

const treasures = 16;
/** What runs before the clock starts, as a share of the time that is measured, and at most this long: compilers warm up. */
const warmupShare = 0.25;
const warmupMaxMs = 8_000;
const drainMaxMs = 10_000;
const creatingAtOnce = 8;
const tickMs = 200;

const definition = (n: number) => ({
  title: `Bench ${n}`,
  limits: { players: 1_000_000 },
  stages: [{ id: 'never', title: 'Never', complete: { scan: { code: 'NEVER-USED' } } }],
  treasures: Array.from({ length: treasures }, (_, i) => ({ id: `t${i}`, title: `T${i}`, points: 1, per_entrant: 0 })),
});

export async function bench(flags: BenchFlags): Promise<void> {
  const out = new Output(flags);
  const target = new Target(flags);
  const api = target.api('designer');
  const grpc = flags.grpc ?? target.grpc;
  out.progress(`making ${flags.hunts} hunts`);
  const hunts = await createHunts(api, flags.hunts);
  const load = new Load({
    grpc,
    token: target.token('designer'),
    hunts,
    players: flags.players,
    inFlight: flags.inFlight,
    treasures,
  });
  const bar = new ProgressBar('{bar} {percentage}% {note}', out.quiet);
  try {
    await load.join().catch((error: Error) => {
      throw new HuntError('UNREACHABLE', `gRPC at ${grpc}: ${error.message}`);
    });
    out.progress(`${load.players} players have joined; warming up`);
    load.start();
    await sleep(Math.min(warmupMaxMs, flags.seconds * 1000 * warmupShare));
    load.latencies = new Latencies();
    const began = performance.now();
    const end = began + flags.seconds * 1000;
    for (let now = began; now < end; now = performance.now()) {
      bar.update(
        (now - began) / (end - began),
        `${Math.round(load.latencies.count / Math.max(0.1, (now - began) / 1000))} acks/s`,
      );
      await sleep(Math.min(tickMs, end - now));
    }
    const seconds = (performance.now() - began) / 1000;
    const measured = load.latencies;
    load.latencies = new Latencies();
    bar.stop();
    const unanswered = await load.drain(drainMaxMs);
    const report: BenchReport = {
      acked_per_s: Math.round(measured.count / seconds),
      p50_ms: measured.quantile(0.5),
      p99_ms: measured.quantile(0.99),
      errors: load.errors + unanswered,
      refusals: load.refusals,
      measured: `closed loop over gRPC SubmitStream: ${flags.hunts} hunts x ${flags.players} players, ${flags.inFlight} claims in flight each, ${flags.seconds} s after a warm-up; from the first send to the ack, resends of retryable refusals included`,
      not_measured:
        'an open loop (waiting before the send does not count), sockets and fan-out, projections, the load generator itself, which shares the machine',
    };
    const unmet = missed(report, flags);
    out.result(report, () => describe(report));
    for (const miss of unmet) process.stderr.write(`UNMET: ${miss}\n`);
    process.exitCode = unmet.length === 0 ? exitCode.done : exitCode.no;
  } finally {
    bar.stop();
    load.close();
    await Promise.allSettled(hunts.map((hunt) => api.steer(hunt, 'close', 'the bench is over')));
  }
}

function missed(report: BenchReport, flags: BenchFlags): string[] {
  const unmet: string[] = [];
  if (flags.targetEps !== undefined && report.acked_per_s < flags.targetEps)
    unmet.push(`${report.acked_per_s} acks/s where ${flags.targetEps} were wanted`);
  if (flags.targetP99Ms !== undefined && report.p99_ms > flags.targetP99Ms)
    unmet.push(`p99 ${report.p99_ms} ms where ${flags.targetP99Ms} ms were wanted`);
  return unmet;
}

function describe(report: BenchReport): string {
  const refusals = Object.entries(report.refusals).map(([code, n]) => `${n} ${code}`);
  return [
    `${report.acked_per_s} acks/s · p50 ${report.p50_ms} ms · p99 ${report.p99_ms} ms · ${report.errors} errors${refusals.length === 0 ? '' : ` (refusals: ${refusals.join(', ')})`}`,
    `  measured: ${report.measured}`,
    `  not measured: ${report.not_measured}`,
  ].join('\n');
}

async function createHunts(api: HttpApi, count: number): Promise<number[]> {
  const hunts: number[] = [];
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < count) {
      const created = await api.createHunt(definition(++next));
      hunts.push(created.hunt_id);
      if (created.status !== 'open') await api.steer(created.hunt_id, 'open');
    }
  };
  await Promise.all(Array.from({ length: creatingAtOnce }, worker));
  return hunts;
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
