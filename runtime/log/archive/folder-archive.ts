/**
 * The archive as a folder: one file an object. Owns `objects/` (must be kept) and `incoming/`, where objects are written
 * before they are renamed into place, so that a name never stands for half an object. What a crash leaves in `incoming/` is
 * worth nothing and may be removed while nobody archives. Several hosts share it over a file system that they share.
 */
import { mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type Random, systemRandom } from '../../kernel/random.ts';
import {
  type Archive,
  type ArchiveObject,
  ArchiveUnavailableError,
  type ByteRange,
  checkName,
  checkPrefix,
} from './archive.ts';

const nameTokenBytes = 9;

export class FolderArchive implements Archive {
  readonly #objects: string;
  readonly #incoming: string;
  /** Folders that are known to survive power loss. */
  readonly #made = new Set<string>();

  /** Touches nothing until it is asked. */
  constructor(
    readonly folder: string,
    private readonly random: Random = systemRandom,
  ) {
    this.#objects = join(folder, 'objects');
    this.#incoming = join(folder, 'incoming');
  }

  async put(name: string, bytes: Uint8Array): Promise<void> {
    checkName(name);
    const path = join(this.#objects, name);
    const incoming = join(this.#incoming, this.random.token(nameTokenBytes));
    await reaching(`object ${name} cannot be written`, async () => {
      await this.#make(this.#incoming);
      await this.#make(dirname(path));
      const file = await open(incoming, 'wx', 0o640);
      try {
        await file.writeFile(bytes);
        await file.sync();
      } catch (error) {
        await file.close();
        await rm(incoming, { force: true });
        throw error;
      }
      await file.close();
      await rename(incoming, path);
      await syncFolder(dirname(path));
    }).catch((error: Error) => {
      // Perhaps somebody has removed folders.
      this.#made.clear();
      throw error;
    });
  }

  async list(prefix: string): Promise<readonly ArchiveObject[]> {
    checkPrefix(prefix);
    return reaching(`objects ${prefix}* cannot be listed`, async () => {
      const found: ArchiveObject[] = [];
      for (const entry of await entriesOf(join(this.#objects, prefix))) {
        if (!entry.isFile()) continue;
        const path = join(entry.parentPath, entry.name);
        found.push({
          name: path.slice(this.#objects.length + 1).replaceAll('\\', '/'),
          bytes: (await stat(path)).size,
        });
      }
      return found.sort((a, b) => (a.name < b.name ? -1 : 1));
    });
  }

  async get(name: string, range?: ByteRange): Promise<Buffer | undefined> {
    checkName(name);
    return reaching(`object ${name} cannot be read`, async () => {
      const file = await open(join(this.#objects, name), 'r').catch(unlessMissing);
      if (file === undefined) return undefined;
      try {
        if (range === undefined) return await file.readFile();
        const bytes = Buffer.alloc(range.length);
        let filled = 0;
        while (filled < bytes.length) {
          const { bytesRead } = await file.read(bytes, filled, bytes.length - filled, range.offset + filled);
          if (bytesRead === 0) break;
          filled += bytesRead;
        }
        return bytes.subarray(0, filled);
      } finally {
        await file.close();
      }
    });
  }

  /** Makes the folder, and its parents, each of them known to its own parent for good. */
  async #make(folder: string): Promise<void> {
    if (this.#made.has(folder)) return;
    const parent = dirname(folder);
    if (folder !== this.folder) await this.#make(parent);
    await mkdir(folder, { recursive: folder === this.folder, mode: 0o750 }).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
    });
    await syncFolder(parent);
    this.#made.add(folder);
  }
}

const entriesOf = async (folder: string) =>
  (await readdir(folder, { recursive: true, withFileTypes: true }).catch(unlessMissing)) ?? [];

function unlessMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error;
  return undefined;
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function reaching<T>(what: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw new ArchiveUnavailableError(`${what}: ${(error as Error).message}`, { cause: error });
  }
}
