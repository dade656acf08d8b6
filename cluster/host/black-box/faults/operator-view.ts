/**
 * What somebody sees who watches the cluster from outside: warnings in the log of each role, checks of /readyz that fail.
 * Watches from its making until `told`; owns a timer.
 */
import { readFileSync, statSync } from 'node:fs';
import { systemTimers } from '../../../../runtime/kernel/timer.ts';
import { callHttp } from '../bare-http.ts';
import type { ClusterProcess } from '../cluster-process.ts';

const lookMs = 300;
const warnLevel = 40;

interface Check {
  readonly name: string;
  readonly ok: boolean;
  readonly detail?: string;
}

export class OperatorView {
  readonly #offsets = new Map<string, number>();
  readonly #failing = new Set<string>();
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
            if (!ok) this.#failing.add(`${role} ${name}${detail === undefined ? '' : `: ${detail}`}`);
        },
        () => this.#failing.add(`${role} does not answer`),
      );
    }
  }

  /** Each once, in the order in which they came. */
  told(): string[] {
    this.#cancel();
    const lines = new Set<string>();
    for (const { role, log } of this.#processes())
      for (const { level, msg } of newLines(log, this.#offsets.get(log) ?? 0))
        if (level >= warnLevel) lines.add(`log of ${role}: ${msg}`);
    return [...lines, ...[...this.#failing].map((one) => `/readyz of ${one}`)];
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
      const { level, msg } = JSON.parse(line) as { level: number; msg: string };
      return [{ level, msg }];
    } catch {
      return line.trim() === '' ? [] : [{ level: warnLevel, msg: line.slice(0, 200) }];
    }
  });
}
