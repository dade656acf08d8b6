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
  readonly againMs: number;
  readonly notBefore: number;
  /** When it was first to be said. */
  readonly since: number;
  /** Whether it ever came into the log. */
  isSaid: boolean;
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
    const before = said?.incarnation === incarnation ? said : undefined;
    const againMs = before === undefined ? accuseAgainMs + 1 : Math.min(accuseAgainMsMax, before.againMs * 1.5);
    const saying = {
      incarnation,
      againMs,
      notBefore: now + againMs,
      since: before?.since ?? now,
      isSaid: before?.isSaid ?? false,
    };
    this.#sayings.set(id, saying);
    this.#say(id, words[symptom], accuse({ id, incarnation, symptom }, this.name), saying);
  }

  /** For so long nothing of what is wrong with that node could be said, for the view's log is away; 0: it could, or nothing is. */
  unsaidMs(id: string, incarnation: number): number {
    const saying = this.#sayings.get(id);
    if (saying === undefined || saying.isSaid || saying.incarnation !== incarnation) return 0;
    return this.ports.clock.monotonic() - saying.since;
  }

  #say(id: string, what: string, decide: Parameters<ViewLog['append']>[0], saying?: Saying): void {
    this.#underWay.add(id);
    this.ports.said?.(id, what);
    const over = (isSaid: boolean) => {
      this.#underWay.delete(id);
      if (saying === undefined) return;
      if (isSaid) saying.isSaid = true;
      // What could not be said is said as soon as that is possible.
      else if (this.#sayings.get(id) === saying) {
        const since = saying.isSaid ? this.ports.clock.monotonic() : saying.since;
        this.#sayings.set(id, { ...saying, isSaid: false, since, notBefore: 0 });
      }
    };
    this.ports.viewLog.append(decide, { deadlineMs: sayMsMax, by: this.name, reason: `${id} ${what}` }).then(
      () => over(true),
      () => over(false),
    );
  }
}
