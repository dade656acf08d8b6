/**
 * Reads definitions without holding up the gateway's players: small JSON here, any other on a {@link WorkerDesk}, where a
 * hostile megabyte may take its ten seconds.
 */
import { type ParsedDefinition, parseDefinition } from '../../actors/hunt/definition.ts';
import type { Timers } from '../../runtime/kernel/timer.ts';
import type { DefinitionParser } from '../admin/ports.ts';
import { Problem } from '../admin/problem.ts';
import { type DeskBounds, DeskError, WorkerDesk } from './worker-desk.ts';

/** Larger JSON goes to the thread, and all YAML: a kilobyte of faults can take it 30 ms. */
export const hereCharsMax = 16 * 1024;
export const definitionMsMax = 10_000;
/** Definitions that wait, of 1 MiB each: the last of them a minute and a half at worst. */
export const definitionsWaitingMax = 8;
const heapMiBMax = 512;
const retryMs = 1_000;

export class DefinitionDesk {
  readonly #desk: WorkerDesk;
  readonly #bounds: DeskBounds;

  constructor(timers: Timers, bounds: Partial<DeskBounds> = {}) {
    this.#bounds = { jobMsMax: definitionMsMax, backlogMax: definitionsWaitingMax, heapMiBMax, ...bounds };
    this.#desk = new WorkerDesk(new URL('./definition-worker.js', import.meta.url), timers, this.#bounds);
  }

  /** Rejects with BUSY when too many wait. */
  readonly parse: DefinitionParser = async (source) => {
    if (source.format === 'json' && source.text.length <= hereCharsMax) return parseDefinition(source);
    try {
      return (await this.#desk.run((ask) => ask(source))) as ParsedDefinition;
    } catch (error) {
      if (!(error instanceof DeskError)) throw error;
      return this.#beyond(error);
    }
  };

  close(): void {
    this.#desk.close();
  }

  #beyond(error: DeskError): ParsedDefinition {
    const { jobMsMax, backlogMax, heapMiBMax } = this.#bounds;
    const refused = (message: string): ParsedDefinition => ({ ok: false, errors: [{ path: '', message }] });
    switch (error.fault) {
      case 'time':
        return refused(
          `the definition takes longer to read than the ${jobMsMax / 1_000} s that are allowed: make it smaller, or send JSON`,
        );
      case 'memory':
        return refused(
          `the definition takes more memory to read than the ${heapMiBMax} MiB that are allowed: make it smaller, or send JSON`,
        );
      case 'full':
        throw new Problem('BUSY', `${backlogMax} definitions wait to be read already: try again`, { retryMs });
      case 'closed':
        throw new Problem('BUSY', 'this gateway is closing: try again', { retryMs });
      case 'broken':
        throw new Error('the thread that reads definitions broke', { cause: error });
      default:
        return error.fault satisfies never;
    }
  }
}
