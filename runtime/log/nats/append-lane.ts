/**
 * The client's side of appending. Owns what was asked and is not answered. A stream's appends form a chain: JetStream
 * compares with the sequence of the stream's last message, which the next append knows only when the one before is
 * answered, so one of each stream is on the way, and many streams at once. All that is ready leaves in one write.
 *
 * An append whose answer was lost is sent again, the same message under the same id: stored already, JetStream says so
 * (duplicate, or another last sequence, and then the log shows whose); not stored, it is now. So nothing is done twice
 * (I2, I4), however late the repetition. Only if JetStream stays away it is `ambiguous`; what was never sent is surely not
 * done. Bounded in bytes (I5). Fencing: as `take` of the port says; takes are learned by the slot register.
 */
import type { Msg } from 'nats';
import type { Position, StreamId, Version } from '../../../proto/ids.ts';
import type { Random } from '../../kernel/random.ts';
import type { Timers } from '../../kernel/timer.ts';
import type { AppendOutcome, AppendPacing } from '../event-log.ts';
import { type Append, AppendChain, appendHeader, fits, neverSent, tipAfter } from './append-chain.ts';
import { askVerdict, type Verdict, type VerdictParts } from './append-verdict.ts';
import type { Inbox } from './inbox.ts';
import { appendAnswer } from './jetstream-answer.ts';
import type { LogGauge } from './log-gauge.ts';
import type { Names } from './names.ts';
import type { NatsLink } from './nats-link.ts';
import { nobodyAnswers } from './requests.ts';
import type { Tip } from './tips.ts';

/** Bytes of appends that are asked but not answered; more are refused as busy. */
export const appendsUnansweredBytesMax = 32 * 1024 * 1024;
/** What an append costs beside its bytes. */
const overheadBytes = 500;
/** Streams with an append on the way at once: JetStream stores one after the other, and more would only wait there. */
const underWayMax = 1_024;
/** What the headers of a record take at most; the server counts them with the payload. */
const headerBytesMax = 1_024;
/** What a record takes in the log beside its bytes, about. */
const storedOverheadBytes = 250;
/** No answer for so long, though the server is there: the append or its answer was lost. */
const sendAgainMs = 2_000;
/** Nobody listened, or JetStream was not able to at the moment. */
const sendAgainSoonMs = 100;

export interface AppendLaneParts extends VerdictParts {
  readonly link: NatsLink;
  readonly inbox: Inbox;
  readonly names: Names;
  readonly gauge: LogGauge;
  readonly timers: Timers;
  readonly random: Random;
  readonly patienceMs: number;
}

export class AppendLane implements AppendPacing {
  onFree: (() => void) | undefined;
  readonly #chains = new Map<string, AppendChain>();
  /** Whose first append is to be sent. */
  #ready: AppendChain[] = [];
  /** Whose first append is on the way, in the order in which they left. */
  readonly #flying = new Set<AppendChain>();
  #underWay = 0;
  #bytes = 0;
  #number = 0;
  #isOpen = false;
  #isClosed = false;
  #isRunComing = false;
  readonly #id: string;

  constructor(private readonly parts: AppendLaneParts) {
    this.#id = parts.random.token(6);
    parts.link.listen({ down: () => this.#shut(), tick: () => this.#tick() });
  }

  get isBusy(): boolean {
    return this.#underWay > 0;
  }

  append(stream: StreamId, expected: Version, count: number, epoch: number, bytes: Uint8Array): Promise<AppendOutcome> {
    const { link, names } = this.parts;
    const subject = names.record(stream);
    if (!Number.isInteger(count) || count < 1) throw new RangeError(`count ${count}: at least one event a record`);
    if (!Number.isSafeInteger(expected) || expected < 0)
      throw new RangeError(`expected version ${expected}: an integer from 0`);
    const refusal = this.#refusal(bytes.byteLength);
    if (refusal !== undefined) return Promise.resolve(refusal);
    this.#bytes += bytes.byteLength + overheadBytes;
    const number = ++this.#number;
    return new Promise((resolve) => {
      let chain = this.#chains.get(subject);
      if (chain === undefined) {
        chain = new AppendChain(stream, subject, (settled) => this.#settled(settled));
        this.#chains.set(subject, chain);
        this.#ready.push(chain);
        this.#runSoon();
      }
      const id = `${this.#id}-${number.toString(36)}`;
      chain.add({ expected, count, epoch, bytes, id, number, sinceMs: link.awakeMs, resolve });
    });
  }

  #refusal(bytes: number): AppendOutcome | undefined {
    const { link, patienceMs, gauge } = this.parts;
    if (this.#isClosed) return { kind: 'refused', reason: 'busy', message: 'the log was closed here' };
    const most = link.payloadBytesMax - headerBytesMax;
    if (bytes > most) {
      const message = `a record of ${bytes} bytes (at most ${most}, by max_payload of the NATS server): append in smaller turns`;
      return { kind: 'refused', reason: 'too_large', message };
    }
    if (gauge.isFull) {
      const message = `the log holds ${gauge.bytes} bytes (at most ${gauge.bytesMax}): archive and trim it, or give it more`;
      return { kind: 'refused', reason: 'full', message };
    }
    if (!link.isUp && link.silentMs >= patienceMs)
      return { kind: 'refused', reason: 'busy', message: neverSent(this.#away()) };
    if (this.#bytes + bytes + overheadBytes <= appendsUnansweredBytesMax) return undefined;
    const message = `${this.#bytes} bytes of appends are unanswered (at most ${appendsUnansweredBytesMax}): try again soon`;
    return { kind: 'refused', reason: 'busy', message };
  }

  flush(): void {
    this.#run();
  }

  /** The link is up and the takes are known: what was on the way is sent again, then what waits. */
  open(): void {
    this.#isOpen = true;
    for (const chain of [...this.#flying]) this.#sendAgain(chain);
    this.#run();
  }

  #shut(): void {
    this.#isOpen = false;
    for (const { first } of this.#flying) if (first.isUnanswered) first.isMaybeStored = true;
  }

  #runSoon(): void {
    if (this.#isRunComing) return;
    this.#isRunComing = true;
    this.parts.timers.soon(() => {
      this.#isRunComing = false;
      this.#run();
    });
  }

  #run(): void {
    while (this.#isOpen && this.#underWay < underWayMax && this.#ready.length > 0)
      for (const chain of this.#ready.splice(0, underWayMax - this.#underWay)) this.#begin(chain);
  }

  #begin(chain: AppendChain): void {
    const { first } = chain;
    const epoch = this.#fence(chain);
    if (epoch !== undefined) {
      chain.settle({ kind: 'fenced', epoch });
      this.#goOn(chain);
      return;
    }
    chain.isUnderWay = true;
    this.#underWay++;
    const tip = this.parts.tips.of(chain.subject);
    if (tip === undefined ? first.expected === 0 : fits(tip, first)) this.#fly(chain, tip);
    else void this.#look(chain);
  }

  /** The higher epoch under which the slot was taken, as far as this process has learned. */
  #fence({ slot, first }: AppendChain): number | undefined {
    const epoch = this.parts.takes.of(slot);
    return first.epoch > 0 && epoch > first.epoch ? epoch : undefined;
  }

  #fly(chain: AppendChain, tip: Tip | undefined): void {
    const { first } = chain;
    first.tip = tip;
    first.reply = this.parts.inbox.open((message) => this.#answered(chain, message));
    this.#flying.add(chain);
    if (this.#isOpen) this.#send(chain);
  }

  #send(chain: AppendChain): void {
    const { first } = chain;
    first.againMs = this.parts.link.awakeMs + sendAgainMs;
    first.isUnanswered = true;
    this.parts.link.publish(chain.subject, first.bytes, first.reply as string, appendHeader(first));
  }

  #sendAgain(chain: AppendChain): void {
    // What nobody may append any longer is looked for, not sent.
    if (this.#fence(chain) !== undefined) void this.#look(chain);
    else this.#send(chain);
  }

  #answered(chain: AppendChain, { data }: Msg): void {
    const { link, tips, gauge } = this.parts;
    const { first } = chain;
    const answer = appendAnswer(data);
    first.isUnanswered = false;
    switch (answer.kind) {
      case 'stored':
        tips.saw(chain.subject, tipAfter(first, answer.seq));
        gauge.appended(first.bytes.byteLength + storedOverheadBytes);
        this.#land(chain);
        this.#settle(chain, { kind: 'appended', position: answer.seq as Position });
        return;
      case 'moved':
        void this.#look(chain);
        return;
      case 'refused':
        if (first.isMaybeStored) {
          void this.#look(chain, answer);
          return;
        }
        this.#land(chain);
        this.#settle(chain, answer);
        return;
      case 'unheard':
        first.trouble = nobodyAnswers(chain.subject, link.server).message;
        break;
      case 'unsure':
        first.isMaybeStored = true;
        first.trouble = answer.message;
        break;
    }
    first.againMs = link.awakeMs + sendAgainSoonMs;
  }

  /** `otherwise`: what it comes to if the append could still be done. */
  async #look(chain: AppendChain, otherwise?: AppendOutcome): Promise<void> {
    const { first } = chain;
    this.#land(chain);
    const upto = this.#number;
    let verdict: Verdict;
    try {
      verdict = await askVerdict(this.parts, chain, first);
    } catch (error) {
      if (chain.first !== first) return;
      const { message } = error as Error;
      if (first.isMaybeStored) this.#giveUp(chain, { kind: 'ambiguous', message });
      else this.#settle(chain, { kind: 'refused', reason: 'busy', message: `${message}; this append was not done` });
      return;
    }
    // Closed meanwhile.
    if (chain.first !== first) return;
    if (verdict.kind === 'conflict') this.#conflict(chain, verdict.head, upto);
    else if (verdict.kind === 'fenced') this.#settle(chain, verdict);
    else if (verdict.kind === 'stored') this.#settle(chain, { kind: 'appended', position: verdict.position });
    else if (otherwise !== undefined) this.#settle(chain, otherwise);
    else this.#fly(chain, verdict.behind);
  }

  /** Those that were asked before the log was, are judged with the first. */
  #conflict(chain: AppendChain, head: Version, upto: number): void {
    do chain.settle({ kind: 'conflict', head });
    while (!chain.isEmpty && chain.first.number <= upto && chain.first.expected !== head);
    this.#goOn(chain);
  }

  #settle(chain: AppendChain, outcome: AppendOutcome): void {
    chain.settle(outcome);
    this.#goOn(chain);
  }

  #giveUp(chain: AppendChain, outcome: AppendOutcome): void {
    chain.giveUp(outcome);
    this.#goOn(chain);
  }

  #settled(append: Append): void {
    this.#bytes -= append.bytes.byteLength + overheadBytes;
  }

  /** No answer is awaited any longer. */
  #land(chain: AppendChain): void {
    const { first } = chain;
    this.#flying.delete(chain);
    if (first.reply !== undefined) this.parts.inbox.close(first.reply);
    first.reply = undefined;
  }

  /** The chain's first was settled: the next takes its place, and the lane may be free. */
  #goOn(chain: AppendChain): void {
    if (chain.isEmpty) this.#chains.delete(chain.subject);
    else this.#ready.push(chain);
    if (chain.isUnderWay) {
      chain.isUnderWay = false;
      this.#underWay--;
      if (this.#underWay === 0) this.onFree?.();
    }
    if (this.#ready.length > 0) this.#runSoon();
  }

  #tick(): void {
    const { link, patienceMs } = this.parts;
    const now = link.awakeMs;
    for (const chain of [...this.#flying]) {
      const { first } = chain;
      if (now - first.sinceMs >= patienceMs) {
        const message = first.trouble ?? this.#away();
        const isUnsure = first.isMaybeStored || first.isUnanswered;
        this.#land(chain);
        this.#giveUp(chain, isUnsure ? { kind: 'ambiguous', message } : { kind: 'refused', reason: 'busy', message });
      } else if (this.#isOpen && link.isHeard && now >= first.againMs) {
        if (first.isUnanswered) first.isMaybeStored = true;
        this.#sendAgain(chain);
      }
    }
    const late = new Set(this.#ready.filter(({ first }) => now - first.sinceMs >= patienceMs));
    if (late.size === 0) return;
    this.#ready = this.#ready.filter((chain) => !late.has(chain));
    for (const chain of late)
      this.#giveUp(chain, { kind: 'refused', reason: 'busy', message: neverSent(this.#away()) });
  }

  #away(): string {
    const { link } = this.parts;
    const why = link.trouble === '' ? '' : ` (${link.trouble})`;
    return `NATS at ${link.server} has not answered for ${Math.round(link.silentMs)} ms${why}`;
  }

  /** What is on the way becomes ambiguous. */
  close(): void {
    this.#isClosed = true;
    this.#isOpen = false;
    this.onFree = undefined;
    this.#ready = [];
    const message = 'the log was closed here';
    for (const chain of [...this.#chains.values()]) {
      const isSent = chain.isUnderWay;
      this.#land(chain);
      this.#giveUp(
        chain,
        isSent ? { kind: 'ambiguous', message } : { kind: 'refused', reason: 'busy', message: neverSent(message) },
      );
    }
  }
}
