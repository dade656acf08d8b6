import { closeSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { ChildRole } from './child.ts';

/** `<data-dir>/cluster.json`: where everything is, for tools. The shape is contract (section 9). */
export interface ClusterFile {
  readonly schema: 'hunt-cluster/1';
  readonly cluster: string;
  readonly profile: string;
  readonly state: 'starting' | 'ready' | 'stopping';
  readonly generation: number;
  readonly data_dir: string;
  readonly cwd: string;
  readonly argv: readonly string[];
  readonly supervisor: { readonly pid: number; readonly started_at: number };
  readonly urls: { readonly http: string; readonly ws: string; readonly grpc: string; readonly console: string };
  readonly processes: readonly ClusterFileProcess[];
  readonly token_key_file: string;
  readonly tokens: { readonly operator: string; readonly designer: string };
}

export interface ClusterFileProcess {
  readonly name: string;
  readonly role: ChildRole;
  readonly pid: number;
  readonly state: 'starting' | 'up' | 'exited';
  readonly restarts: number;
  readonly started_at: number;
  readonly http?: string;
  readonly grpc?: string;
  readonly log: string;
}

export const clusterFilePath = (dataDir: string): string => join(dataDir, 'cluster.json');

/** What an earlier start left behind, if it can be read at all. */
export function readClusterFile(dataDir: string): ClusterFile | undefined {
  try {
    const file = JSON.parse(readFileSync(clusterFilePath(dataDir), 'utf8')) as ClusterFile;
    return file.schema === 'hunt-cluster/1' && Array.isArray(file.processes) ? file : undefined;
  } catch {
    return undefined;
  }
}

/** Replaces it in one step: a reader finds the old text or the new one, never a part. */
export function writeClusterFile(file: ClusterFile): void {
  const path = clusterFilePath(file.data_dir);
  const next = `${path}.next`;
  const descriptor = openSync(next, 'w', 0o600);
  try {
    writeSync(descriptor, `${JSON.stringify(file, null, 1)}\n`);
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
  renameSync(next, path);
}

/** The port of an address such as `http://127.0.0.1:7101` or `127.0.0.1:7001`. */
export const portOf = (address: string | undefined): number | undefined => {
  const port = Number(/:(\d{1,5})$/.exec(address ?? '')?.[1]);
  return Number.isInteger(port) ? port : undefined;
};
