/**
 * The designer of one hunt: creates it, opens it, and steers it while it is played, with an Idempotency-Key under which every
 * request is tried until it is answered; some requests go without a key, once. Owns its requests; also reads now and then.
 */
import type { Footing } from './footing.ts';
import type { History, Steered } from './history.ts';
import type { SimHunt } from './hunts.ts';
import type { Asked, Told } from './request.ts';
import type { Seeded } from './seeded.ts';

export interface DesignerParts {
  readonly footing: Footing;
  readonly history: History;
  readonly chance: Seeded;
  readonly gateways: readonly string[];
  readonly index: number;
  readonly rules: SimHunt;
  readonly paceMs: number;
  readonly players: readonly string[];
  readonly created: (hunt: number) => void;
}

const retryMsMin = 100;

export class SimDesigner {
  hunt: number | undefined;
  #isWorking = true;
  #keys = 0;
  #waiting = 0;

  constructor(readonly parts: DesignerParts) {
    void this.#begin();
  }

  get unanswered(): number {
    return this.#waiting;
  }

  rest(): void {
    this.#isWorking = false;
  }

  async #begin(): Promise<void> {
    const { rules, history, footing, chance, paceMs } = this.parts;
    const told = await this.#insist({ op: 'create', key: this.#key('create'), definition: rules.definition });
    if (told.kind !== 'ok') {
      history.note(this.#name, `no hunt: ${JSON.stringify(told)}`);
      return;
    }
    const hunt = told.body.hunt_id as number;
    this.hunt = hunt;
    history.hunts.push({ hunt, rules });
    history.note(this.#name, `created hunt ${hunt} in slot ${hunt % 256}`);
    this.parts.created(hunt);
    if (rules.opensAt === undefined) void this.#steer('open', {}, true);
    const work = (): void => {
      if (!this.#isWorking) return;
      this.#work(hunt);
      footing.timers.after(chance.wait(paceMs), work);
    };
    footing.timers.after(chance.wait(paceMs), work);
  }

  #work(hunt: number): void {
    const { chance, players, rules } = this.parts;
    const roll = chance.next();
    if (roll < 0.35) void this.read(hunt);
    else if (roll < 0.62) void this.#steer('announce', { text: `news ${++this.#keys}` }, chance.chance(0.25));
    else if (roll < 0.75) {
      const points = chance.within(-5, 9) || 1;
      const subject = rules.entry === 'team' ? { team: 'none' } : { player: chance.pick(players) };
      void this.#steer('adjust', { ...subject, points, reason: `because ${++this.#keys}` }, chance.chance(0.4));
    } else if (roll < 0.9) {
      const versions = this.parts.history.commands
        .filter((command) => command.hunt === hunt)
        .flatMap((command) => command.replies.map((reply) => reply.version ?? 0))
        .filter((version) => version > 0);
      if (versions.length === 0) return;
      void this.#steer('void', { version: chance.pick(versions), reason: 'a mistake' }, chance.chance(0.7));
    } else if (roll < 0.96) void this.#pauseAWhile();
    else void this.#steer('disqualify', { player: chance.pick(players), reason: 'cheating' }, true);
  }

  async #pauseAWhile(): Promise<void> {
    this.#waiting++;
    await this.#steer('pause', { reason: 'rain' }, true);
    const { footing, chance } = this.parts;
    await new Promise<void>((resolve) => footing.timers.after(chance.wait(300), resolve));
    await this.#steer('resume', {}, true);
    this.#waiting--;
  }

  /** One read, if a gateway answers. */
  async read(hunt: number): Promise<boolean> {
    const { history, footing, chance } = this.parts;
    const beganAt = footing.now();
    const what = chance.pick(['scoreboard', 'show'] as const);
    const told = await this.#once({ op: what, hunt });
    if (told.kind !== 'ok') return false;
    const version = told.body.version as number;
    history.note(this.#name, `${what} at ${version}`);
    history.seen.push({
      hunt,
      what,
      player: undefined,
      beganAt,
      endedAt: footing.now(),
      version,
      body: told.body,
    });
    return true;
  }

  async #steer(verb: string, body: Record<string, unknown>, isKeyed: boolean): Promise<void> {
    const { history, footing } = this.parts;
    const hunt = this.hunt as number;
    const key = isKeyed ? this.#key(verb) : undefined;
    const steered: Steered = {
      hunt,
      verb,
      body,
      key,
      sentAt: footing.now(),
      answeredAt: undefined,
      outcome: undefined,
    };
    history.steered.push(steered);
    const asked: Asked = { op: 'steer', hunt, verb, body, key };
    const told = await (isKeyed ? this.#insist(asked) : this.#once(asked));
    history.note(this.#name, `${verb} ${told.kind === 'problem' ? told.code : told.kind}${isKeyed ? '' : ', unkeyed'}`);
    if (told.kind === 'ok') steered.outcome = { ok: true, version: told.body.version as number };
    else if (told.kind === 'problem') steered.outcome = { ok: false, code: told.code };
    if (told.kind !== 'lost') steered.answeredAt = footing.now();
  }

  async #insist(asked: Asked): Promise<Told> {
    this.#waiting++;
    const told = await this.#untilAnswered(asked);
    this.#waiting--;
    return told;
  }

  async #untilAnswered(asked: Asked): Promise<Told> {
    const { footing } = this.parts;
    for (;;) {
      const told = await this.#once(asked);
      const again = told.kind === 'lost' || (told.kind === 'problem' && retryable.has(told.code));
      if (!again) return told;
      const wait = told.kind === 'problem' ? Math.max(retryMsMin, told.retryMs) : retryMsMin;
      await new Promise<void>((resolve) => footing.timers.after(wait, resolve));
    }
  }

  async #once(asked: Asked): Promise<Told> {
    const { footing, chance, gateways } = this.parts;
    this.#waiting++;
    const told = await footing.ask(chance.pick(gateways), asked);
    this.#waiting--;
    return told;
  }

  #key(verb: string): string {
    return `${this.#name}-${verb}-${++this.#keys}`;
  }
  get #name(): string {
    return `dora${this.parts.index}`;
  }
}

const retryable = new Set(['BUSY', 'UNAVAILABLE', 'RATE_LIMITED', 'NOT_OWNER']);
