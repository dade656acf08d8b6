/**
 * How fast the embedded log is by itself, open loop: a fixed rate is offered, and an append that had to wait for its turn
 * counts from its scheduled time. Two floors: the bare segment (one file, group commit, no process, no link), and one
 * client over the link. Prints nothing; benchmarks/ does.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type Slot, slotCount, type Version } from '../../../proto/ids.ts';
import { systemClock } from '../../kernel/clock.ts';
import { systemRandom } from '../../kernel/random.ts';
import { systemTimers } from '../../kernel/timer.ts';
import type { SlotWriter } from '../event-log.ts';
import { EmbeddedLog } from './client.ts';
import { CommitLane } from './commit-lane.ts';
import { systemDisk } from './disk.ts';
import { recordBytes, recordType, writeRecord } from './record.ts';
import { Segments, segmentBytesDefault, segmentHeaderBytes } from './segments.ts';
import { StreamEntry } from './stream-index.ts';

export interface FloorOptions {
  /** A folder on the disk to be measured; everything made in it is removed. */
  readonly dir: string;
  readonly perSecond: number;
  readonly seconds: number;
  readonly warmUpSeconds?: number;
  readonly recordBytes?: number;
  readonly streams?: number;
  readonly sync?: 'power' | 'process';
}

export interface FloorResult {
  readonly offered: number;
  readonly appended: number;
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

const tickMs = 2;
const drainMs = 30_000;

/** Offers appends at the rate, `append(i, done)`, and measures from each one's scheduled time. */
export async function offer(
  options: Pick<FloorOptions, 'perSecond' | 'seconds' | 'warmUpSeconds'>,
  append: (i: number, done: () => void) => void,
): Promise<FloorResult> {
  const { perSecond, seconds, warmUpSeconds = 0 } = options;
  const total = Math.floor(perSecond * (seconds + warmUpSeconds));
  const first = Math.floor(perSecond * warmUpSeconds);
  const waits: number[] = [];
  const began = systemClock.monotonic();
  let offered = 0;
  let done = 0;
  let lastDone = began;
  await new Promise<void>((resolve, reject) => {
    const cancel = systemTimers.every(tickMs, () => {
      const now = systemClock.monotonic();
      const due = Math.min(total, Math.floor(((now - began) / 1000) * perSecond));
      while (offered < due) {
        const i = offered++;
        append(i, () => {
          lastDone = systemClock.monotonic();
          if (i >= first) waits.push(lastDone - (began + (i / perSecond) * 1000));
          if (++done === total) {
            cancel();
            resolve();
          }
        });
      }
      if (now - began > (seconds + warmUpSeconds) * 1000 + drainMs) {
        cancel();
        reject(
          new Error(`${total - done} of ${total} appends were not answered ${drainMs} ms after the last was offered`),
        );
      }
    });
  });
  waits.sort((a, b) => a - b);
  const at = (share: number): number => waits[Math.min(waits.length - 1, Math.floor(waits.length * share))] ?? 0;
  const measuredMs = lastDone - began - warmUpSeconds * 1000;
  return {
    offered: total - first,
    appended: waits.length,
    perSecond: Math.round((waits.length / measuredMs) * 1000),
    p50Ms: at(0.5),
    p99Ms: at(0.99),
    maxMs: waits.at(-1) ?? 0,
  };
}

/** The bare segment: what no log in this process could beat. */
export async function segmentFloor(options: FloorOptions): Promise<FloorResult> {
  const dir = await mkdtemp(join(options.dir, 'segment-floor-'));
  const sync = options.sync ?? 'power';
  const segments = new Segments(systemDisk, dir, systemClock, systemTimers, sync === 'power', segmentBytesDefault);
  const active = await segments.prepare(1, () => true);
  const start = {
    active,
    offset: segmentHeaderBytes,
    spare: await segments.prepare(2, () => true),
    epochs: new Float64Array(slotCount),
    slotLast: new Float64Array(slotCount),
  };
  const lane = new CommitLane(
    segments,
    start,
    systemClock,
    systemTimers,
    () => undefined,
    () => undefined,
  );
  const entry = new StreamEntry('hunt', 1);
  const body = Buffer.alloc(options.recordBytes ?? 300, 7);
  const length = recordBytes(body.length);
  const source = Buffer.alloc(length);
  writeRecord(
    source,
    0,
    { type: recordType.events, kind: 'hunt', id: 1, slot: 1, version: 1, count: 1, epoch: 1 },
    body,
  );
  try {
    return await offer(options, (i, done) => {
      lane.submit({ entry, slot: 1, version: i + 1, count: 1, source, offset: 0, length, position: 0, settle: done });
    });
  } finally {
    await lane.drain();
    await lane.close();
    await segments.close();
    await rm(dir, { recursive: true, force: true });
  }
}

/** One client over the link to a log process that serves on `socketPath`. */
export async function clientFloor(
  options: Omit<FloorOptions, 'dir' | 'sync'> & { readonly socketPath: string },
): Promise<FloorResult> {
  const log = await EmbeddedLog.connect({ socketPath: options.socketPath });
  const body = Buffer.alloc(options.recordBytes ?? 300, 7);
  const streams = options.streams ?? 3_000;
  // Several of these may run at once: streams of their own, and one epoch for all, so that none fences another.
  const base = Math.floor(systemRandom.next() * 2 ** 40) * slotCount;
  const epoch = 1;
  const heads = new Float64Array(streams);
  const writers: SlotWriter[] = [];
  try {
    for (let slot = 0; slot < slotCount; slot++) writers.push(await log.take(slot as Slot, epoch));
    let refused = 0;
    let first = '';
    const result = await offer(options, (i, done) => {
      const n = i % streams;
      const id = base + n;
      const writer = writers[id % slotCount] as SlotWriter;
      const expected = heads[n] as Version;
      heads[n] = expected + 1;
      void writer.append({ kind: 'hunt', id }, expected, 1, body).then((outcome) => {
        if (outcome.kind !== 'appended' && refused++ === 0) first = JSON.stringify(outcome);
        done();
      });
    });
    if (refused > 0)
      throw new Error(`${refused} appends were not done: the rate is too high for this machine (the first: ${first})`);
    return result;
  } finally {
    await log.close();
  }
}
