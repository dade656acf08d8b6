import assert from 'node:assert/strict';
import { type ChildProcess, fork } from 'node:child_process';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { archiveContract } from './archive.contract.ts';
import { ArchiveUnavailableError } from './archive.ts';
import { FolderArchive } from './folder-archive.ts';

archiveContract('a folder', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'hunt-archive-'));
  return {
    // A folder that is not there yet, below one that is.
    open: () => new FolderArchive(join(folder, 'archive')),
    close: () => rm(folder, { recursive: true, force: true }),
  };
});

describe('an archive folder', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'hunt-archive-'));
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  it('holds what it said it holds, and nothing half, after its writer was killed', async () => {
    const stored: string[] = [];
    for (let kill = 0; kill < 6; kill++) {
      const child: ChildProcess = fork(fileURLToPath(new URL('./folder-archive.child.js', import.meta.url)), [folder]);
      const gone = new Promise((resolve) => child.once('exit', resolve));
      const enough = 3 + kill * 4;
      await new Promise<void>((resolve) => {
        let count = 0;
        child.on('message', (name: string) => {
          stored.push(name);
          if (++count === enough) resolve();
        });
      });
      child.kill('SIGKILL');
      await gone;
    }
    const archive = new FolderArchive(folder);
    const listed = await archive.list('');
    assert.deepEqual(
      stored.filter((name) => !listed.some((one) => one.name === name)),
      [],
    );
    for (const { name, bytes } of listed) {
      const i = Number(name.split('/')[1]);
      assert.equal(bytes, 1 + ((i * 7919) % 300_000), name);
      assert.ok((await archive.get(name))?.equals(Buffer.alloc(bytes, i % 251)), name);
    }
  });

  it('says that it cannot be reached, leaves nothing behind, and goes on when it can', async () => {
    const archive = new FolderArchive(join(folder, 'archive'));
    await archive.put('a/b', Buffer.from('1'));
    await rm(join(folder, 'archive'), { recursive: true });
    await writeFile(join(folder, 'archive'), 'in the way');
    await assert.rejects(archive.put('a/c', Buffer.from('2')), ArchiveUnavailableError);
    await assert.rejects(archive.get('a/b'), ArchiveUnavailableError);
    await rm(join(folder, 'archive'));
    await archive.put('a/c', Buffer.from('2'));
    assert.deepEqual(await readdir(join(folder, 'archive', 'incoming')), []);
    assert.deepEqual(
      (await archive.list('')).map((one) => one.name),
      ['a/c'],
    );
  });
});
