import { type Archive, type ArchiveObject, type ByteRange, checkName, checkPrefix } from './archive.ts';

/** The archive in memory, for tests and simulations. */
export class MemoryArchive implements Archive {
  readonly objects = new Map<string, Buffer>();

  async put(name: string, bytes: Uint8Array): Promise<void> {
    checkName(name);
    this.objects.set(name, Buffer.from(bytes));
  }

  async list(prefix: string): Promise<readonly ArchiveObject[]> {
    checkPrefix(prefix);
    const found: ArchiveObject[] = [];
    for (const [name, bytes] of this.objects) if (name.startsWith(prefix)) found.push({ name, bytes: bytes.length });
    return found.sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  async get(name: string, range?: ByteRange): Promise<Buffer | undefined> {
    checkName(name);
    const bytes = this.objects.get(name);
    if (bytes === undefined) return undefined;
    // A copy: whoever changes what it got changes nothing here.
    return Buffer.from(range === undefined ? bytes : bytes.subarray(range.offset, range.offset + range.length));
  }
}
