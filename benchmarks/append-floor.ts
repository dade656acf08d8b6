/**
 * The floor under ingest: the same bytes a second written to a zero-filled file through O_DSYNC, one write in flight, what waits
 * merges. No cluster can acknowledge durably faster than this disk does.
 */
import { constants } from 'node:fs';
import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { env } from 'node:process';
import { delay } from '../cluster/host/black-box/deadline.ts';
import { Quantiles, rounded } from './quantiles.ts';

/** What one event takes in a segment, about. */
const eventBytes = 120;
const measureMs = 2_000;
const commitGapMs = 3;
const fileBytes = 32 * 1024 * 1024;

export async function appendFloor(perSecond: number): Promise<Readonly<Record<string, unknown>>> {
  const folder = await mkdtemp(join(tmpdir(), 'hunt-floor-'));
  try {
    const path = join(folder, 'segment');
    const zeros = await open(path, 'w');
    await zeros.write(Buffer.alloc(fileBytes));
    await zeros.sync();
    await zeros.close();
    const durable = env.HUNT_LOG_SYNC !== 'process';
    const file = await open(path, durable ? constants.O_WRONLY | constants.O_DSYNC : 'r+');
    const writes = new Quantiles();
    const begun = performance.now();
    let written = 0;
    let at = 0;
    try {
      while (performance.now() - begun < measureMs) {
        await delay(commitGapMs);
        const due = Math.max(1, Math.floor(((performance.now() - begun) / 1_000) * perSecond) - written);
        const bytes = Buffer.alloc(Math.min(due * eventBytes, fileBytes), 1);
        if (at + bytes.length > fileBytes) at = 0;
        const start = performance.now();
        await file.write(bytes, 0, bytes.length, at);
        writes.add(performance.now() - start);
        at += bytes.length;
        written += due;
      }
    } finally {
      await file.close();
    }
    return {
      raw_append_per_s: rounded((written * 1_000) / (performance.now() - begun), 0),
      raw_append_p50_ms: rounded(writes.at(0.5)),
      raw_append_p99_ms: rounded(writes.at(0.99)),
      durable,
    };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
