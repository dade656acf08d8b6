/**
 * What somebody sees who watches the cluster from outside: warnings in the log of each role, checks of /readyz that fail, and
 * how far some metrics rise.
 * Watches from its making until `told`; owns a timer.
 */
import { readFileSync, statSync } from 'node:fs';
import { systemTimers } from '../../../../runtime/kernel/timer.ts';
import { callHttp } from '../bare-http.ts';
import type { ClusterProcess } from '../cluster-process.ts';

const lookMs = 300;
const warnLevel = 40;
const errorLevel = 50;
/** Numbers in a detail change all the time: the first of a kind is told. */
const kindOf = (line: string): string => line.replaceAll(/\d+/g, 'n');
const gauges = /^(hunt_projection_lag_seconds|hunt_projection_lag_events|hunt_relay_lag_events) (\S+)$/gm;
const outcomes = /^hunt_appends_total\{outcome="(?!appended)(\w+)"\} (\S+)$/gm;

interface Check {
  readonly name: string;
  readonly ok: boolean;
  readonly detail?: string;
}

export class OperatorView {
  readonly #offsets = new Map<string, number>();
  readonly #failing = new Map<string, string>();
  /** The highest value that was seen. */
  readonly #peaks = new Map<string, number>();
  readonly #first = new Map<string, number>();
  readonly #cancel: () => void;

  constructor(private readonly cluster: ClusterProcess) {
    for (const { log } of this.#processes()) this.#offsets.set(log, sizeOf(log));
    this.#cancel = systemTimers.every(lookMs, () => this.#look());
  }

  #processes(): { readonly role: string; readonly log: string; readonly http?: string }[] {
    return this.cluster.file().processes.map(({ role, name, http, ...rest }) => ({
      role: role === 'service' ? name : role,
      log: (rest as unknown as { log: string }).log,
      ...(http === undefined ? {} : { http }),
    }));
  }

  #look(): void {
    for (const { role, http } of this.#processes()) {
      if (http === undefined) continue;
      callHttp(http, 'GET', '/readyz').then(
        ({ json }) => {
          for (const { name, ok, detail } of (json as { checks?: readonly Check[] } | undefined)?.checks ?? [])
            if (!ok) this.#fails(`${role} ${name}${detail === undefined ? '' : `: ${detail}`}`);
        },
        () => this.#fails(`${role} does not answer`),
      );
      callHttp(http, 'GET', '/metrics').then(
        ({ text }) => this.#measure(http, text),
        () => undefined,
      );
    }
  }

  #fails(line: string): void {
    if (!this.#failing.has(kindOf(line))) this.#failing.set(kindOf(line), line);
  }

  #measure(process: string, text: string): void {
    for (const [, name = '', value] of text.matchAll(gauges))
      this.#peaks.set(name, Math.max(this.#peaks.get(name) ?? 0, Number(value)));
    for (const [, outcome, value] of text.matchAll(outcomes)) {
      const name = `hunt_appends_total outcome="${outcome}"`;
      const first = this.#first.get(`${process} ${name}`) ?? Number(value);
      this.#first.set(`${process} ${name}`, first);
      if (Number(value) > first) this.#peaks.set(name, Math.max(this.#peaks.get(name) ?? 0, Number(value) - first));
    }
  }

  /** Each once, in the order in which they came. */
  told(): string[] {
    this.#cancel();
    const lines = new Set<string>();
    for (const { role, log } of this.#processes())
      for (const { level, msg } of newLines(log, this.#offsets.get(log) ?? 0))
        if (level >= warnLevel) lines.add(`log of ${role}: ${msg}`);
    const failing = [...this.#failing.values()].map((one) => `/readyz of ${one}`);
    const peaks = [...this.#peaks].map(([name, value]) => `${name} up to ${Number(value.toFixed(1))}`);
    return [...lines, ...failing, ...peaks];
  }
}

const sizeOf = (file: string): number => {
  try {
    return statSync(file).size;
  } catch {
    return 0;
  }
};

function newLines(file: string, offset: number): { readonly level: number; readonly msg: string }[] {
  const text = readFileSync(file).subarray(offset).toString('utf8');
  return text.split('\n').flatMap((line) => {
    try {
      const { level, msg, err } = JSON.parse(line) as { level: number; msg: string; err?: { stack?: string } };
      // A fault of ours is told with the place where it happened.
      return [{ level, msg: level >= errorLevel && err?.stack !== undefined ? `${msg}: ${err.stack}` : msg }];
    } catch {
      return line.trim() === '' ? [] : [{ level: warnLevel, msg: line.slice(0, 200) }];
    }
  });
}
