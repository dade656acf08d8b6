/**
 * Tells the cluster what this process finds of others: that one is dead, or answers again.
 *
 * Owns: what it said last and when, so that it says it again from time to time and never twice at once. Does not own: what
 * two accusers together bring about (suspicion.ts). With the log away nothing can be said: the last view stands (I10).
 */
import { Symptom } from '../proto/generated/node/v1/cluster.ts';
import type { Clock } from '../runtime/kernel/clock.ts';
import { accuseAgainMs, accuseAgainMsMax } from './limits.ts';
import { accuse, clear } from './suspicion.ts';
import type { MemberNode } from './view.ts';
import type { ViewLog } from './view-log.ts';

const sayMsMax = 2_000;

const words: Readonly<Record<Symptom, string>> = {
  [Symptom.SILENT]: 'does not answer',
  [Symptom.REFUSED]: 'nobody listens at its address',
  [Symptom.STUCK]: 'answers and commits nothing',
  [Symptom.UNRECOGNIZED]: 'is unwell',
};

export interface AccuserPorts {
  readonly viewLog: Pick<ViewLog, 'append'>;
  readonly clock: Clock;
  readonly said?: (id: string, what: string) => void;
}

interface Saying {
  readonly incarnation: number;
  againMs: number;
  notBefore: number;
}

export class Accuser {
  readonly #sayings = new Map<string, Saying>();
  readonly #underWay = new Set<string>();

  constructor(
    readonly name: string,
    private readonly ports: AccuserPorts,
  ) {}

  /** What is wrong with that node as of now; undefined: nothing. */
  judge(node: MemberNode, symptom: Symptom | undefined): void {
    if (this.#underWay.has(node.id)) return;
    const { id, incarnation } = node;
    if (symptom === undefined) {
      this.#sayings.delete(id);
      if (node.suspicions.some((one) => one.by === this.name))
        this.#say(id, 'answers again', clear(id, incarnation, this.name));
      return;
    }
    const now = this.ports.clock.monotonic();
    const said = this.#sayings.get(id);
    if (said?.incarnation === incarnation && now < said.notBefore) return;
    const againMs =
      said?.incarnation === incarnation ? Math.min(accuseAgainMsMax, said.againMs * 1.5) : accuseAgainMs + 1;
    this.#sayings.set(id, { incarnation, againMs, notBefore: now + againMs });
    this.#say(id, words[symptom], accuse({ id, incarnation, symptom }, this.name));
  }

  #say(id: string, what: string, decide: Parameters<ViewLog['append']>[0]): void {
    this.#underWay.add(id);
    this.ports.said?.(id, what);
    this.ports.viewLog
      .append(decide, { deadlineMs: sayMsMax, by: this.name, reason: `${id} ${what}` })
      .catch(() => this.#sayings.delete(id))
      .finally(() => this.#underWay.delete(id));
  }
}
