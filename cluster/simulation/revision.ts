/** Which source is simulated: a figure that does not name it cannot be had again. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);
const git = async (...args: string[]): Promise<string> =>
  (await run('git', args, { cwd: import.meta.dirname, encoding: 'utf8' })).stdout.trim();

/** The commit that is checked out around this file, and whether tracked files differ from it. */
export async function revision(): Promise<string> {
  try {
    const [commit, changes] = await Promise.all([
      git('rev-parse', '--short=12', 'HEAD'),
      git('status', '--porcelain', '--untracked-files=no'),
    ]);
    return `revision ${commit}${changes === '' ? '' : ' with changes that are not committed'}`;
  } catch {
    return 'of no known revision';
  }
}
