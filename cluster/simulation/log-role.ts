/** The log process in the simulation: the real server, recovery and judge, on a simulated disk, store and network. */
import { EmbeddedLogServer, type LogLogger } from '../../runtime/log/embedded/server.ts';
import type { Network } from './network.ts';
import type { SimDisk } from './sim-disk.ts';
import type { SimProcess } from './sim-process.ts';
import type { SimStores } from './sim-store.ts';

export const logAddr = '/run/log.sock';
export const logFolder = '/log';

export interface LogMachine {
  readonly disk: SimDisk;
  readonly stores: SimStores;
  /** The machine lost power since the log process ran last. */
  rebooted: boolean;
}

export interface LogManners {
  readonly sync: 'power' | 'process';
  readonly segmentBytes: number;
  readonly indexFlushMs: number;
  readonly tailCacheBytes: number;
}

export async function runLog(
  process: SimProcess,
  network: Network,
  machine: LogMachine,
  manners: LogManners,
  logger: LogLogger,
): Promise<EmbeddedLogServer> {
  const { clock, timers } = process;
  const { rebooted } = machine;
  return await EmbeddedLogServer.start({
    dir: logFolder,
    socketPath: logAddr,
    clock,
    timers,
    logger,
    disk: machine.disk.of(process),
    sockets: network.socketsOf(process),
    // The kernel lets one process hold a folder and takes it back at its death, which the supervisor waits for.
    place: {
      ...machine.stores.of(process),
      lock: async () => ({
        rebooted,
        recovered: () => {
          machine.rebooted = false;
        },
        release: async () => undefined,
      }),
    },
    ...manners,
  });
}
