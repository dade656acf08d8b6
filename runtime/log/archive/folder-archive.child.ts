/** Puts objects into a folder until it is killed, and tells which are stored. Test code. */
import { FolderArchive } from './folder-archive.ts';

const archive = new FolderArchive(process.argv[2] as string);
process.on('disconnect', () => process.exit(0));
for (let i = 0; ; i++) {
  const name = `${process.pid % 7}/${i}`;
  await archive.put(name, Buffer.alloc(1 + ((i * 7919) % 300_000), i % 251));
  process.send?.(name);
}
