/**
 * One child process of the supervisor: started, watched, started again.
 *
 * Owns: the process, its log file's descriptor and the channel whose end tells the child that its supervisor is gone.
 * Does not own: when the cluster as a whole is ready, or in which order children start and stop; `up` does.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import type { Clock } from '../../runtime/kernel/clock.ts';
import type { Cancel, Timers } from '../../runtime/kernel/timer.ts';
import { isDiskTrouble } from '../../runtime/log/embedded/disk.ts';
import { rotateIfLarge } from './log-file.ts';

export const respawnMs = 1_000;

export type ChildRole = 'node' | 'gateway' | 'log' | 'projector' | 'relay' | 'service';

export interface ChildPlan {
  readonly name: string;
  readonly role: ChildRole;
  /** Arguments of this very Node binary: its flags, the script, the script's flags. */
  readonly argv: readonly string[];
  readonly logFile: string;
  /** Its stdout is for whoever started us: it goes to our stderr instead of its log file. */
  readonly shows?: boolean;
  readonly http?: string;
  readonly grpc?: string;
  /** Whether it says so when it is ready; one that does not is up as soon as it runs. */
  readonly reports: boolean;
  /** Whether exit 0 means that it is done for good (a drained node, say). */
  readonly endsBy0: boolean;
  /**
   * essential: the cluster is only ready with it. wanted: the start waits for it, for a bounded time, and whether it runs later
   * changes nothing. extra: nobody waits for it.
   */
  readonly need: 'essential' | 'wanted' | 'extra';
  /** When it is stopped: the edge first, so that no player meets a node that is gone; what others write to, last. */
  readonly layer: 'edge' | 'core' | 'ground';
}

/** What children send to their supervisor. */
export interface ChildReport {
  readonly ready: boolean;
}

export interface ChildPorts {
  readonly clock: Clock;
  readonly timers: Timers;
  /** False: a child that died stays dead. */
  readonly respawn: boolean;
  /** Called after every change of state. */
  changed(child: Child): void;
}

type ChildState =
  | { readonly kind: 'idle' }
  | { readonly kind: 'running'; readonly process: ChildProcess; readonly ready: boolean }
  | { readonly kind: 'waiting'; readonly cancel: Cancel }
  | { readonly kind: 'ended'; readonly code: number | null; readonly signal: string | null };

export class Child {
  readonly plan: ChildPlan;
  readonly #ports: ChildPorts;
  #state: ChildState = { kind: 'idle' };
  #stopping = false;
  #restarts = 0;
  #startedAt = 0;
  #pid = 0;
  #everReady = false;
  #lastCode: number | null = null;
  #lastEnd = '';

  constructor(plan: ChildPlan, ports: ChildPorts) {
    this.plan = plan;
    this.#ports = ports;
  }

  get pid(): number {
    return this.#pid;
  }
  get restarts(): number {
    return this.#restarts;
  }
  get startedAt(): number {
    return this.#startedAt;
  }
  get everReady(): boolean {
    return this.#everReady;
  }
  /** Of the last time that it ended; null: by a signal, or not yet. */
  get lastCode(): number | null {
    return this.#lastCode;
  }
  /** How it ended for the last time, as a phrase. */
  get lastEnd(): string {
    return this.#lastEnd;
  }
  /** It ended before it was ever ready, at least once. */
  get failed(): boolean {
    return !this.#everReady && (this.#restarts > 0 || this.#state.kind === 'waiting' || this.#state.kind === 'ended');
  }
  get running(): boolean {
    return this.#state.kind === 'running';
  }
  /** It ended, and is about to be started again. */
  get isResting(): boolean {
    return this.#state.kind === 'waiting';
  }
  /** It ended and will not be started again. */
  get gone(): boolean {
    return this.#state.kind === 'ended';
  }
  get up(): boolean {
    return this.#state.kind === 'running' && this.#state.ready;
  }
  get shown(): 'starting' | 'up' | 'exited' {
    if (this.#state.kind === 'running') return this.#state.ready ? 'up' : 'starting';
    return this.#state.kind === 'idle' ? 'starting' : 'exited';
  }

  start(): void {
    if (this.#stopping) return;
    const { plan } = this;
    rotateIfLarge(plan.logFile);
    const log = openLog(plan.logFile);
    const child = spawn(process.execPath, plan.argv, {
      stdio: ['ignore', plan.shows === true ? process.stderr.fd : log, log, 'ipc'],
    });
    closeSync(log);
    this.#pid = child.pid ?? 0;
    this.#startedAt = this.#ports.clock.now();
    this.#state = { kind: 'running', process: child, ready: !plan.reports };
    child.on('message', (message) => this.#onReport(child, message as ChildReport));
    let ended = false;
    const onEnd = (code: number | null, signal: string | null) => {
      if (ended) return;
      ended = true;
      this.#onEnd(code, signal);
    };
    child.on('exit', onEnd);
    child.on('error', () => {
      if (child.pid === undefined) onEnd(1, null);
    });
    this.#ports.changed(this);
  }

  signal(signal: NodeJS.Signals): void {
    if (this.#state.kind === 'running') this.#state.process.kill(signal);
  }

  /** From now on it is not started again; SIGTERM if it runs. Resolves when it is gone, killed after `patienceMs` if it must be. */
  async stop(patienceMs: number): Promise<void> {
    this.#stopping = true;
    if (this.#state.kind === 'waiting') {
      this.#state.cancel();
      this.#state = { kind: 'ended', code: null, signal: null };
    }
    if (this.#state.kind !== 'running') return;
    const { process: child } = this.#state;
    await new Promise<void>((resolve) => {
      const cancel = this.#ports.timers.after(patienceMs, () => child.kill('SIGKILL'));
      child.once('exit', () => {
        cancel();
        resolve();
      });
      child.kill('SIGTERM');
    });
  }

  #onReport(child: ChildProcess, report: ChildReport): void {
    if (this.#state.kind !== 'running' || this.#state.process !== child || typeof report?.ready !== 'boolean') return;
    if (this.#state.ready === report.ready) return;
    this.#everReady ||= report.ready;
    this.#state = { ...this.#state, ready: report.ready };
    this.#ports.changed(this);
  }

  #onEnd(code: number | null, signal: string | null): void {
    this.#lastCode = code;
    this.#lastEnd = signal === null ? `with exit code ${code}` : `by ${signal}`;
    if (this.#stopping || (code === 0 && this.plan.endsBy0) || !this.#ports.respawn) {
      this.#state = { kind: 'ended', code, signal };
    } else {
      const cancel = this.#ports.timers.after(respawnMs, () => {
        this.#restarts++;
        this.start();
      });
      this.#state = { kind: 'waiting', cancel };
    }
    this.#ports.changed(this);
  }
}

/** A full disk may have no room for a new file: the process then says its words to nobody. */
function openLog(path: string): number {
  try {
    return openSync(path, 'a', 0o600);
  } catch (error) {
    if (isDiskTrouble(error)) return openSync('/dev/null', 'a');
    throw error;
  }
}
