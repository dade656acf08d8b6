/**
 * The disk as the log process needs it: a port, so that tests fill it up or break it. `syncs: true` opens the descriptor
 * with O_DSYNC: a write that has returned survives power loss, in one trip through the thread pool.
 */
import {
  constants,
  close as fsClose,
  fdatasync as fsFdatasync,
  open as fsOpen,
  read as fsRead,
  write as fsWrite,
} from 'node:fs';
import { mkdir, readdir, rename, rm, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

export interface Disk {
  open(
    path: string,
    how: { readonly create?: boolean; readonly syncs?: boolean; readonly readOnly?: boolean },
  ): Promise<DiskFile>;
  rename(from: string, to: string): Promise<void>;
  remove(path: string): Promise<void>;
  makeFolder(path: string): Promise<void>;
  list(folder: string): Promise<string[]>;
  /** Makes creations and renames in the folder survive power loss. */
  syncFolder(path: string): Promise<void>;
  /** Bytes that new files in the folder may take at present. Absent: whoever writes finds out. */
  freeBytes?(folder: string): Promise<number>;
}

export interface DiskFile {
  /** All of `bytes`, or it rejects; after a rejection any part of them may be in the file. */
  write(bytes: Buffer, offset: number): Promise<void>;
  /** Fills `into` from `offset` on and returns how much there was. */
  read(into: Buffer, offset: number): Promise<number>;
  sync(): Promise<void>;
  close(): Promise<void>;
}

const openFd = promisify(fsOpen);
const closeFd = promisify(fsClose);
const syncFd = promisify(fsFdatasync);

class SystemFile implements DiskFile {
  constructor(readonly fd: number) {}

  write(bytes: Buffer, offset: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const from = (start: number): void => {
        fsWrite(this.fd, bytes, start, bytes.length - start, offset + start, (error, written) => {
          if (error !== null) reject(error);
          else if (start + written >= bytes.length) resolve();
          else if (written === 0) reject(Object.assign(new Error('the disk took no bytes'), { code: 'ENOSPC' }));
          else from(start + written);
        });
      };
      from(0);
    });
  }

  read(into: Buffer, offset: number): Promise<number> {
    return new Promise((resolve, reject) => {
      const from = (start: number): void => {
        fsRead(this.fd, into, start, into.length - start, offset + start, (error, got) => {
          if (error !== null) reject(error);
          else if (got === 0 || start + got === into.length) resolve(start + got);
          else from(start + got);
        });
      };
      from(0);
    });
  }

  sync(): Promise<void> {
    return syncFd(this.fd);
  }

  close(): Promise<void> {
    return closeFd(this.fd);
  }
}

export const systemDisk: Disk = {
  async open(path, how) {
    let flags = how.readOnly ? constants.O_RDONLY : constants.O_RDWR;
    if (how.create) flags |= constants.O_CREAT | constants.O_TRUNC;
    if (how.syncs) flags |= constants.O_DSYNC;
    return new SystemFile(await openFd(path, flags, 0o640));
  },
  rename,
  remove: (path) => rm(path, { force: true }),
  async makeFolder(path) {
    await mkdir(path, { recursive: true });
  },
  list: (folder) => readdir(folder),
  async syncFolder(path) {
    const fd = await openFd(path, constants.O_RDONLY, 0);
    try {
      await syncFd(fd);
    } finally {
      await closeFd(fd);
    }
  },
  async freeBytes(folder) {
    const { bavail, bsize } = await statfs(folder);
    return bavail * bsize;
  },
};

/** Replaces a file as a whole: readers, and a start after power loss, find the old one or the new one. */
export async function replaceFile(
  disk: Disk,
  folder: string,
  name: string,
  write: (file: DiskFile) => Promise<void>,
): Promise<void> {
  const temporary = join(folder, `${name}.new`);
  const file = await disk.open(temporary, { create: true });
  try {
    await write(file);
    await file.sync();
    await file.close();
  } catch (error) {
    await file.close().catch(() => undefined);
    await disk.remove(temporary).catch(() => undefined);
    throw error;
  }
  await disk.rename(temporary, join(folder, name));
  await disk.syncFolder(folder);
}

/** The first `bytesMax` bytes of a small file, fewer if it is shorter; undefined if there is none. */
export async function readStart(disk: Disk, path: string, bytesMax: number): Promise<Buffer | undefined> {
  let file: DiskFile;
  try {
    file = await disk.open(path, { readOnly: true });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  try {
    const bytes = Buffer.alloc(bytesMax);
    return bytes.subarray(0, await file.read(bytes, 0));
  } finally {
    await file.close();
  }
}

/**
 * What index and pages leave free: below, they are not written at all. LMDB 3.5 does not survive a write that finds no space (it
 * writes beyond its own memory), so it must not come to that.
 */
export const storeRoomBytes = 8 * 1024 * 1024;

const mebibytes = (bytes: number): string => `${(bytes / 1024 / 1024).toFixed(1)} MiB`;

/** As the system says it, with figures. */
export const noSpace = (free: number, needed: number): Error =>
  Object.assign(new Error(`no space left on device: ${mebibytes(free)} are free, ${mebibytes(needed)} are needed`), {
    code: 'ENOSPC',
  });

/** What a full or failing disk says; the log then refuses appends, serves reads and tries again. */
export const isDiskTrouble = (error: unknown): boolean => {
  const code = (error as { code?: unknown }).code;
  return code === 'ENOSPC' || code === 'EDQUOT' || code === 'EIO' || code === 'EFBIG' || code === 'EROFS';
};
