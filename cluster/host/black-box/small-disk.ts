/**
 * A file system of its own that is small enough to be filled for real: a tmpfs, where this user may mount one.
 *
 * Owns: the mount. Whoever made it unmounts it, after everything that uses it has ended.
 */
import { spawnSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';

const junkName = 'junk';
const junkBytes = [64 * 1024, 512] as const;

export class SmallDisk {
  private constructor(readonly folder: string) {}

  /** Throws with the reason where nothing can be mounted: {@link whyNoDisk} asks first. */
  static mount(folder: string, mebibytes: number): SmallDisk {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    mount('-t', 'tmpfs', '-o', `size=${mebibytes}m,mode=0700`, 'hunt-small-disk', folder);
    return new SmallDisk(folder);
  }

  /** Somebody else's file takes what is left, to the last byte. */
  fill(): void {
    const file = openSync(join(this.folder, junkName), 'a');
    try {
      for (const bytes of junkBytes) while (wrote(file, bytes));
    } finally {
      closeSync(file);
    }
  }

  /** That file goes. */
  free(): void {
    rmSync(join(this.folder, junkName), { force: true });
  }

  resize(mebibytes: number): void {
    mount('-o', `remount,size=${mebibytes}m`, this.folder);
  }

  unmount(): void {
    spawnSync('umount', [this.folder]);
  }
}

/** What keeps this user from mounting one, as a phrase; undefined when nothing does. */
export function whyNoDisk(folder: string): string | undefined {
  try {
    SmallDisk.mount(folder, 1).unmount();
    return undefined;
  } catch (error) {
    return `no file system can be mounted here (${(error as Error).message})`;
  }
}

function mount(...args: string[]): void {
  const { status, stderr, error } = spawnSync('mount', args, { encoding: 'utf8' });
  if (error !== undefined) throw error;
  if (status !== 0) throw new Error(stderr.trim());
}

function wrote(file: number, bytes: number): boolean {
  try {
    return writeSync(file, Buffer.alloc(bytes, 1)) === bytes;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOSPC') return false;
    throw error;
  }
}
