/**
 * Bridges on the Unix sockets of a cluster's run folder, where no configuration leads a process to a bridge: as soon as a process
 * listens at its path, its socket file is renamed and a bridge listens at the old name. The file is the address, so who connects
 * crosses the bridge. (Who connected in the milliseconds before goes past it: that connection cannot be cut.)
 *
 * Owns these bridges. A bridge whose process is gone goes too, so that the next one finds its path free.
 */
import { existsSync, type FSWatcher, readdirSync, renameSync, rmSync, watch } from 'node:fs';
import { join } from 'node:path';
import { systemTimers } from '../../../../runtime/kernel/timer.ts';
import { answers } from '../../../../runtime/link/sockets.ts';
import { Bridge } from './bridge.ts';

const lookEveryMs = 100;
const behind = '.behind';

export interface LocalBridgesOptions {
  /** Of the cluster: `<data-dir>/run`. */
  readonly folder: string;
  readonly nameOf: (pid: number) => string | undefined;
  /** A bridge came to be: cuts that are in force hold for it, too. */
  readonly opened: (bridge: Bridge) => void;
  readonly closed: (bridge: Bridge) => void;
}

export class LocalBridges {
  readonly #bridges = new Map<string, Bridge>();
  readonly #opening = new Set<string>();
  readonly #watcher: FSWatcher;
  readonly #cancel: () => void;
  #isClosed = false;

  constructor(private readonly options: LocalBridgesOptions) {
    this.#watcher = watch(options.folder, () => this.#look());
    this.#cancel = systemTimers.every(lookEveryMs, () => this.#look());
    this.#look();
  }

  close(): void {
    this.#isClosed = true;
    this.#watcher.close();
    this.#cancel();
    for (const path of [...this.#bridges.keys()]) this.#leave(path);
  }

  #look(): void {
    if (this.#isClosed) return;
    let files: string[] = [];
    try {
      files = readdirSync(this.options.folder).filter((file) => file.endsWith('.sock'));
    } catch {
      return;
    }
    for (const file of files) {
      const path = join(this.options.folder, file);
      if (!this.#bridges.has(path) && !this.#opening.has(path)) void this.#open(path, file);
    }
    // A successor has removed it, or its process has on leaving.
    for (const path of [...this.#bridges.keys()]) if (!existsSync(path)) this.#leave(path);
  }

  async #open(path: string, file: string): Promise<void> {
    this.#opening.add(path);
    try {
      // It may be listening by now, or be what a process that was killed left.
      if (!(await answers(path))) return;
      renameSync(path, `${path}${behind}`);
      const bridge: Bridge = await Bridge.open({
        name: file.replace(/(-\d+)?\.sock$/, ''),
        listen: { path },
        target: () => ({ path: `${path}${behind}` }),
        nameOf: this.options.nameOf,
        onLost: () => void this.#isLost(path),
      });
      this.#bridges.set(path, bridge);
      this.options.opened(bridge);
    } catch {
      // It went while we looked: the next look finds what is there.
    } finally {
      this.#opening.delete(path);
    }
  }

  /** A connection to the process has ended: is the process gone? */
  async #isLost(path: string): Promise<void> {
    if (this.#bridges.has(path) && !(await answers(`${path}${behind}`))) this.#leave(path);
  }

  #leave(path: string): void {
    const bridge = this.#bridges.get(path);
    if (bridge === undefined) return;
    this.#bridges.delete(path);
    bridge.close();
    rmSync(`${path}${behind}`, { force: true });
    this.options.closed(bridge);
  }
}
