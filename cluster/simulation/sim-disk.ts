/**
 * A simulated disk that keeps the promises of a real one and no more. What was written but not synced is in the file for every
 * process, also after the writer was killed, and may be gone, whole or in part, after a loss of power; a write in flight when
 * its process is killed is done, not done or done in part. Owns the files and what of them is durable.
 */
import type { Disk, DiskFile } from '../../runtime/log/embedded/disk.ts';
import type { Seeded } from './seeded.ts';
import type { SimProcess } from './sim-process.ts';

export interface DiskManners {
  /** Median of a synced write, microseconds. */
  readonly writeUs: number;
  /** Writes and syncs that take `stallUs`. */
  readonly stallShare: number;
  readonly stallUs: number;
}

const sectorBytes = 512;

interface Change {
  readonly offset: number;
  readonly bytes: Buffer;
  /** How many bytes it was to be: more than `bytes` where it was cut short. */
  readonly length: number;
}

/** A file's bytes: as processes see them, as the platter has them, and what lies between. */
class Inode {
  seen: Buffer = Buffer.alloc(0);
  durable: Buffer = Buffer.alloc(0);
  unsynced: Change[] = [];

  write(change: Change, syncs: boolean): void {
    const { offset, bytes } = change;
    this.seen = patched(this.seen, offset, bytes);
    if (syncs) this.durable = patched(this.durable, offset, bytes);
    else this.unsynced.push({ ...change, bytes: Buffer.from(bytes) });
  }

  /** Returns what has become durable. */
  sync(): Change[] {
    const changes = this.unsynced;
    for (const { offset, bytes } of changes) this.durable = patched(this.durable, offset, bytes);
    this.unsynced = [];
    return changes;
  }

  /** Of each unsynced write any sectors may have reached the platter. Returns these writes. */
  losePower(chance: Seeded): Change[] {
    const changes = this.unsynced;
    for (const { offset, bytes } of changes) this.durable = partly(this.durable, offset, bytes, chance);
    this.unsynced = [];
    this.seen = Buffer.from(this.durable);
    return changes;
  }
}

function patched(into: Buffer, offset: number, bytes: Buffer): Buffer {
  let out = into;
  if (offset + bytes.length > out.length) {
    out = Buffer.alloc(offset + bytes.length);
    into.copy(out);
  }
  bytes.copy(out, offset);
  return out;
}

function partly(into: Buffer, offset: number, bytes: Buffer, chance: Seeded): Buffer {
  let out = into;
  const share = chance.pick([0, 0.5, 1]);
  for (let at = 0; at < bytes.length; ) {
    const end = Math.min(bytes.length, at + sectorBytes - ((offset + at) % sectorBytes));
    if (chance.chance(share)) out = patched(out, offset + at, bytes.subarray(at, end));
    at = end;
  }
  return out;
}

interface Writing extends Change {
  readonly inode: Inode;
  readonly syncs: boolean;
}

export class SimDisk {
  /** By path; what a process sees. */
  #names = new Map<string, Inode>();
  #durableNames = new Map<string, Inode>();
  readonly #inFlight = new Set<Writing>();
  #fullShare = 0;
  #slowness = 1;
  /**
   * Called with what has come into a file, and again when it is durable. Not certain: the write may have been cut short, and this is
   * what the file holds at its place. The bytes that did not get there may be what was there before, so that it is whole all the same.
   */
  onWritten: ((bytes: Buffer, isDurable: boolean, isCertain: boolean) => void) | undefined;
  readonly counts = { writes: 0, torn: 0, stalls: 0, refused: 0, powerLosses: 0 };

  constructor(
    readonly chance: Seeded,
    readonly manners: DiskManners,
  ) {}

  /** The disk as that process uses it; its operations die with it. */
  of(process: SimProcess): Disk {
    process.onDeath(() => this.#killed());
    return {
      open: (path, how) => this.#open(process, path, how),
      rename: (from, to) =>
        this.#do(process, 1, () => {
          const inode = this.#names.get(from);
          if (inode === undefined) throw missing(from);
          this.#names.delete(from);
          this.#names.set(to, inode);
        }),
      remove: (path) => this.#do(process, 1, () => void this.#names.delete(path)),
      makeFolder: () => this.#do(process, 1, () => undefined),
      list: (folder) =>
        this.#do(process, 1, () =>
          [...this.#names.keys()]
            .filter((path) => path.startsWith(`${folder}/`) && !path.slice(folder.length + 1).includes('/'))
            .map((path) => path.slice(folder.length + 1))
            .sort(),
        ),
      syncFolder: () => this.#do(process, 3, () => this.#syncNames()),
    };
  }

  /** Of all writes so many fail as on a full disk; 0 ends it. */
  fill(share: number): void {
    this.#fullShare = share;
  }

  /** Everything takes so many times as long; 1 ends it. */
  slow(factor: number): void {
    this.#slowness = factor;
  }

  /** The machine loses power: call before its processes die. */
  losePower(): void {
    this.counts.powerLosses++;
    for (const { inode, offset, bytes, length } of this.#inFlight) {
      inode.unsynced.push({ offset, bytes, length });
      this.counts.torn++;
    }
    this.#inFlight.clear();
    // Of what was done in folders since the last sync, a part may have reached the platter, in order.
    const names = new Map(this.#durableNames);
    if (this.chance.chance(0.5)) for (const [path, inode] of this.#names) names.set(path, inode);
    this.#names = names;
    this.#durableNames = new Map(names);
    for (const inode of new Set(names.values())) this.#tellDurable(inode, inode.losePower(this.chance));
  }

  /** Flips bytes in the middle of a durable file, as rot does. */
  rot(path: string, offset: number): void {
    const inode = this.#names.get(path);
    if (inode === undefined || offset >= inode.seen.length) return;
    for (const bytes of [inode.seen, inode.durable]) bytes[offset] = (bytes[offset] as number) ^ 0xff;
  }

  paths(): string[] {
    return [...this.#names.keys()].sort();
  }

  #syncNames(): void {
    this.#durableNames = new Map(this.#names);
  }

  #open(
    process: SimProcess,
    path: string,
    how: { readonly create?: boolean; readonly syncs?: boolean; readonly readOnly?: boolean },
  ): Promise<DiskFile> {
    return this.#do(process, 0.2, () => {
      let inode = this.#names.get(path);
      if (inode === undefined || how.create === true) {
        if (how.create !== true) throw missing(path);
        inode = new Inode();
        this.#names.set(path, inode);
      }
      return this.#file(process, inode, how.syncs === true);
    });
  }

  #file(process: SimProcess, inode: Inode, syncs: boolean): DiskFile {
    return {
      write: (bytes, offset) =>
        this.#write(process, { inode, offset, bytes: Buffer.from(bytes), length: bytes.length, syncs }),
      read: (into, offset) =>
        this.#do(process, 0.1, () => Math.max(0, inode.seen.copy(into, 0, offset, offset + into.length))),
      sync: () => this.#do(process, 1, () => this.#tellDurable(inode, inode.sync())),
      close: () => this.#do(process, 0.05, () => undefined),
    };
  }

  #write(process: SimProcess, writing: Writing): Promise<void> {
    const { bytes, syncs } = writing;
    this.counts.writes++;
    this.#inFlight.add(writing);
    return this.#do(process, syncs ? 1 : 0.1, () => {
      this.#inFlight.delete(writing);
      if (this.#fullShare > 0 && this.chance.chance(this.#fullShare)) {
        this.counts.refused++;
        this.#put({ ...writing, bytes: bytes.subarray(0, this.chance.int(bytes.length + 1)) }, false);
        throw Object.assign(new Error('no space is left on the device'), { code: 'ENOSPC' });
      }
      this.#put(writing, true);
    });
  }

  #put(writing: Writing, isCertain: boolean): void {
    const { inode, offset, bytes, length, syncs } = writing;
    inode.write({ offset, bytes, length }, syncs);
    const file = syncs ? inode.durable : inode.seen;
    this.onWritten?.(isCertain ? bytes : file.subarray(offset, offset + length), syncs, isCertain);
  }

  #tellDurable({ durable }: Inode, changes: readonly Change[]): void {
    for (const { offset, length } of changes) this.onWritten?.(durable.subarray(offset, offset + length), true, false);
  }

  /** Killed: what was on its way to the disk is done, not done, or cut short. */
  #killed(): void {
    for (const writing of this.#inFlight) {
      const { bytes } = writing;
      const fate = this.chance.int(3);
      if (fate === 0) continue;
      const length = fate === 1 ? bytes.length : this.chance.int(bytes.length + 1);
      if (length < bytes.length) this.counts.torn++;
      this.#put({ ...writing, bytes: bytes.subarray(0, length) }, false);
    }
    this.#inFlight.clear();
  }

  #do<T>(process: SimProcess, cost: number, run: () => T): Promise<T> {
    let us = this.chance.wait(this.manners.writeUs * cost * this.#slowness);
    if (this.chance.chance(this.manners.stallShare)) {
      this.counts.stalls++;
      us += this.chance.wait(this.manners.stallUs);
    }
    return new Promise((resolve, reject) => {
      process.later(us, 'disk', () => {
        try {
          resolve(run());
        } catch (error) {
          reject(error as Error);
        }
      });
    });
  }
}

const missing = (path: string): Error => Object.assign(new Error(`${path} does not exist`), { code: 'ENOENT' });
