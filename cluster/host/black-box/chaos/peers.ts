/**
 * Who is at the other end of a connection, as the kernel says (`ss`): connections that arrive at a bridge are told apart by the
 * process that opened them. Where `ss` is missing nobody is known, and a cut hits everybody on its way.
 */
import { execFile } from 'node:child_process';
import type { Socket } from 'node:net';
import { promisify } from 'node:util';
import { findProgram } from '../../servers/programs.ts';

const ss = findProgram('ss');
export const knowsPeers = ss !== undefined;

const answerBytesMax = 32 * 1024 * 1024;

/** The pid of the process that opened each of these accepted connections, where it could be found out. */
export async function pidsOf(accepted: readonly Socket[]): Promise<Map<Socket, number>> {
  const found = new Map<Socket, number>();
  if (ss === undefined || accepted.length === 0) return found;
  const { stdout } = await promisify(execFile)(ss, ['-xtnpH', 'state', 'established'], { maxBuffer: answerBytesMax });
  const rows = stdout.split('\n').flatMap(rowOf);
  const byLocal = new Map(rows.map((row) => [row.local, row]));
  const byFd = new Map(rows.filter(({ pid }) => pid === process.pid).map((row) => [row.fd, row]));
  for (const socket of accepted) {
    const peer =
      socket.remotePort === undefined
        ? byFd.get(descriptorOf(socket))?.peer
        : `${socket.remoteAddress}:${socket.remotePort}`;
    const pid = peer === undefined ? undefined : byLocal.get(peer)?.pid;
    if (pid !== undefined) found.set(socket, pid);
  }
  return found;
}

interface Row {
  /** host:port, or the inode of a Unix socket. */
  readonly local: string;
  readonly peer: string;
  readonly pid: number;
  readonly fd: number;
}

/** `u_str 0 0 PATH INODE * INODE users:(("node",pid=1,fd=2))`, or `tcp 0 0 HOST:PORT HOST:PORT users:(...)`. */
export function rowOf(line: string): Row[] {
  const match = /^(\S+)\s+\d+\s+\d+\s+(.*?)\s+users:\(\("[^"]*",pid=(\d+),fd=(\d+)\)/.exec(line);
  if (match === null) return [];
  const [, kind = '', ends = '', pid, fd] = match;
  const words = ends.trim().split(/\s+/);
  const [local, peer] = kind.startsWith('u_') ? [words.at(-3), words.at(-1)] : [words.at(-2), words.at(-1)];
  return local === undefined || peer === undefined ? [] : [{ local, peer, pid: Number(pid), fd: Number(fd) }];
}

/** Node keeps it to itself; no public interface tells it. */
const descriptorOf = (socket: Socket): number => (socket as unknown as { _handle?: { fd?: number } })._handle?.fd ?? -1;
