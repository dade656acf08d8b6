import { createHash } from 'node:crypto';
import { chmodSync, mkdirSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ConfigError } from './config.ts';

/** What the kernel takes for a Unix socket's path, with its closing zero (108 on Linux, 104 on macOS and BSD). */
const socketPathBytesMax = 104;
/** The longest name in the folder: a node id of 32 characters, a process number and `.sock`. */
const nameBytesMax = 46;

/** Where the sockets between our processes are: in the data folder, or in a short folder of its own if that path is too long. */
export function runFolder(dataDir: string): string {
  const inside = join(dataDir, 'run');
  if (Buffer.byteLength(inside) + nameBytesMax < socketPathBytesMax) return inside;
  return join(tmpdir(), `hunt-${createHash('sha256').update(dataDir).digest('hex').slice(0, 16)}`);
}

/** Makes it, for this user alone. In a shared folder for temporary files somebody else's folder of that name is refused. */
export function makeRunFolder(dataDir: string): string {
  const folder = runFolder(dataDir);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const uid = process.getuid?.();
  if (uid !== undefined && statSync(folder).uid !== uid)
    throw new ConfigError([`${folder} belongs to another user: choose a shorter --data-dir`]);
  chmodSync(folder, 0o700);
  return folder;
}

export const logSocket = (dataDir: string): string => join(runFolder(dataDir), 'log.sock');

/** A name that no other process of this node uses: one that was stopped and wakes up must not be taken for its successor. */
export function nodeSocket(dataDir: string, id: string): string {
  const folder = runFolder(dataDir);
  for (const name of readdirSync(folder)) {
    if (name.endsWith('.sock') && name.startsWith(`${id}-`) && /^\d+\.sock$/.test(name.slice(id.length + 1)))
      rmSync(join(folder, name), { force: true });
  }
  return join(folder, `${id}-${process.pid}.sock`);
}
