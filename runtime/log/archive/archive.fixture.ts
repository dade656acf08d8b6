/** Records, folders and faults for the tests of the archive. Test code. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Position, Slot, StreamId, Version } from '../../../proto/ids.ts';
import type { EventLog, LogRecord } from '../event-log.ts';
import type { Archive, ArchiveObject, ByteRange } from './archive.ts';
import { archiveRecords } from './archiving.ts';
import { FolderArchive } from './folder-archive.ts';

export function recordOf(stream: StreamId, version: number, position: number, bytes: number, count = 1): LogRecord {
  const text = `${stream.kind}/${stream.id}@${version} `.padEnd(bytes, 'x');
  return {
    stream,
    version: version as Version,
    count,
    epoch: 3,
    position: position as Position,
    bytes: Buffer.from(text),
  };
}

/** An archive with what is asked of it counted; {@link make}: a folder of its own. */
export class CountedArchive implements Archive {
  readonly calls = { put: 0, list: 0, get: 0 };
  /** Rejects in place of doing what it is asked. */
  fails: ((call: 'put' | 'list' | 'get', name: string) => Error | undefined) | undefined;

  constructor(
    readonly folder: string,
    private readonly inner: Archive,
  ) {}

  static async make(): Promise<CountedArchive> {
    const folder = await mkdtemp(join(tmpdir(), 'hunt-archive-'));
    return new CountedArchive(folder, new FolderArchive(folder));
  }

  path(object: string): string {
    return join(this.folder, 'objects', object);
  }

  put(name: string, bytes: Uint8Array): Promise<void> {
    this.#ask('put', name);
    return this.inner.put(name, bytes);
  }
  async list(prefix: string): Promise<readonly ArchiveObject[]> {
    this.#ask('list', prefix);
    return this.inner.list(prefix);
  }
  async get(name: string, range?: ByteRange): Promise<Buffer | undefined> {
    this.#ask('get', name);
    return this.inner.get(name, range);
  }

  #ask(call: 'put' | 'list' | 'get', name: string): void {
    this.calls[call]++;
    const error = this.fails?.(call, name);
    if (error !== undefined) throw error;
  }

  remove(): Promise<void> {
    return rm(this.folder, { recursive: true, force: true });
  }
}

/** Copies positions [from, to) of the slot as one object; 0 records: none is written. */
export async function archiveRange(
  log: EventLog,
  archive: Archive,
  slot: Slot,
  from: number,
  to: number,
): Promise<string | undefined> {
  const records: LogRecord[] = [];
  for (let next = from as Position; next < to; ) {
    const page = await log.readSlot(slot, next);
    records.push(...page.records.filter((record) => record.position < to));
    if (page.next === page.end) break;
    next = page.next;
  }
  if (records.length === 0) return undefined;
  const meta = { slot, from: from as Position, to: to as Position, oldestAt: 0, newestAt: 0 };
  return (await archiveRecords(archive, meta, records)).listed.object;
}
