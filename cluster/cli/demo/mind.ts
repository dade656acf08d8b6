/**
 * How a bot decides what to do next, from its private view alone. Pure but for its own memory and the random numbers that it
 * is given: the same seed and the same views give the same life.
 */
import type { Ack, Action, Me, Nack, StageView } from '../../../gateway/sdk/messages.ts';
import type { Character } from './character.ts';
import { distance, near, type Place, places, stations } from './places.ts';

export type Step =
  | { readonly kind: 'act'; readonly action: Action }
  /** Walking, thinking, waiting: nothing for a while. */
  | { readonly kind: 'wait'; readonly ms: number; readonly why: 'walks' | 'thinks' | 'waits' | 'strays' }
  /** The phone is off the net for a while. */
  | { readonly kind: 'offline'; readonly ms: number }
  | { readonly kind: 'done' };

/** What the bot knows beforehand: the answers and codes of the definition. */
export interface Solution {
  readonly answers: Readonly<Record<string, string>>;
  readonly codes: Readonly<Record<string, string>>;
}

/** Bots are this much faster than people, so that a round takes minutes. */
export const acceleration = 25;
const wrongAnswers = [
  'Goethe',
  'Sanssouci',
  '1871',
  'Schinkel',
  'Havel',
  'the emperor',
  'Einigkeit',
  'statues',
  'no idea',
  'Potsdam',
];
const wrongCodes = ['GRANIT-619', 'QX-1024', 'BERLIN'];
const strayCoin = 'coin';

type Plan =
  | { at: 'choosing' }
  | { at: 'walking' | 'arrived' | 'thinking'; stage: string; tries: number }
  | { at: 'claiming'; stage: string; treasure: string };

export class Mind {
  #plan: Plan = { at: 'choosing' };
  #here: Place;
  #left = false;

  constructor(
    readonly character: Character,
    readonly solution: Solution,
    readonly random: () => number,
  ) {
    this.#here = near(stations[Math.floor(random() * stations.length)] as Place, random() * 150, random);
  }

  next(me: Me, last: Ack | Nack | undefined, now: number): Step {
    if (me.status === 'finished' || me.status === 'disqualified') return { kind: 'done' };
    if (me.status === 'none' || me.status === 'left') return this.#join(me);
    if (last?.t === 'nack' && this.#hopeless(last)) this.#plan = { at: 'choosing' };
    switch (this.#plan.at) {
      case 'choosing':
        return this.#choose(me);
      case 'walking':
        this.#plan = { ...this.#plan, at: 'arrived' };
        return this.#think();
      case 'claiming':
        return this.#claim(this.#plan.treasure);
      default:
        return this.#work(me, this.#plan, now);
    }
  }

  #join(me: Me): Step {
    if (me.status === 'left' && !this.#left) return { kind: 'done' };
    this.#left = false;
    return { kind: 'act', action: { type: 'join', name: this.character.name } };
  }

  #choose(me: Me): Step {
    if (this.#chance(this.character.absence)) return { kind: 'offline', ms: 2_000 + this.random() * 12_000 };
    if (this.#chance(this.character.absence / 3)) {
      this.#left = true;
      return { kind: 'act', action: { type: 'leave' } };
    }
    if (this.#chance(this.character.wander)) return this.#stray(me);
    const open = Object.keys(me.stages).filter((id) => me.stages[id]?.state === 'open' && places[id] !== undefined);
    if (open.length === 0) return { kind: 'wait', ms: 3_000 + this.random() * 3_000, why: 'waits' };
    // The nearest mostly; not everybody reads maps well.
    open.sort((a, b) => distance(this.#here, places[a] as Place) - distance(this.#here, places[b] as Place));
    const stage = open[this.#chance(0.75) ? 0 : Math.floor(this.random() * open.length)] as string;
    this.#plan = { at: 'walking', stage, tries: 0 };
    return this.#walk(places[stage] as Place);
  }

  #stray(me: Me): Step {
    const coin = me.treasures[strayCoin];
    if (coin !== undefined && coin.mine < 2 && coin.stock_left !== 0 && this.#chance(0.5))
      return this.#claim(strayCoin);
    const { ms } = this.#walk(near(this.#here, 60 + this.random() * 120, this.random));
    return { kind: 'wait', ms: ms + this.random() * 3_000, why: 'strays' };
  }

  #walk(to: Place): Extract<Step, { kind: 'wait' }> {
    const metres = distance(this.#here, to) * (1.1 + this.random() * 0.3); // Streets are no straight lines.
    this.#here = to;
    return { kind: 'wait', ms: 500 + (metres / (this.character.paceMps * acceleration)) * 1000, why: 'walks' };
  }
  #think(): Step {
    return { kind: 'wait', ms: this.character.thinkS * (500 + this.random() * 1000), why: 'thinks' };
  }

  #work(me: Me, plan: { at: string; stage: string; tries: number }, now: number): Step {
    const stage = me.stages[plan.stage];
    if (stage === undefined || stage.state !== 'open') {
      this.#plan = { at: 'choosing' };
      return this.#after(me, plan.stage);
    }
    if (stage.locked_until !== undefined && stage.locked_until > now)
      return { kind: 'wait', ms: stage.locked_until - now + 200 + this.random() * 1_500, why: 'waits' };
    if (plan.at === 'thinking') {
      this.#plan = { at: 'arrived', stage: plan.stage, tries: plan.tries };
      return this.#think();
    }
    this.#plan = { at: 'thinking', stage: plan.stage, tries: plan.tries + 1 };
    if (plan.tries > 0 && this.#chance(this.character.haste * plan.tries * 0.5))
      return { kind: 'act', action: { type: 'skip', stage: plan.stage } };
    return this.#attempt(plan.stage, stage, plan.tries);
  }

  #attempt(id: string, stage: StageView, tries: number): Step {
    const clue = Object.keys(stage.clues ?? {})[0];
    if (clue !== undefined) return this.#answer(clue, stage, tries);
    const code = this.solution.codes[id];
    if (code !== undefined)
      return { kind: 'act', action: { type: 'scan', code: this.#chance(0.85) ? code : this.#one(wrongCodes) } };
    if (id === 'clock') return this.#claim('chest');
    // Now and then somebody checks in from too far away, or with a phone that hardly knows where it is.
    const metres = this.#chance(0.1) ? 90 + this.random() * 80 : this.random() * 25;
    const accuracy = Math.round(this.#chance(0.05) ? 80 : 5 + this.random() * 25);
    return { kind: 'act', action: { type: 'check_in', ...near(this.#here, metres, this.random), accuracy, stage: id } };
  }

  #answer(clue: string, stage: StageView, tries: number): Step {
    const view = stage.clues?.[clue];
    if (view !== undefined && view.hints_left > 0 && this.#chance(this.character.hints * (tries === 0 ? 0.4 : 1)))
      return { kind: 'act', action: { type: 'hint', clue } };
    const helped = (view?.hints.length ?? 0) * 0.25 + tries * 0.15;
    const text = this.#chance(this.character.wit + helped)
      ? (this.solution.answers[clue] ?? '?')
      : this.#one(view?.choices ?? wrongAnswers);
    return { kind: 'act', action: { type: 'answer', clue, text } };
  }

  /** What lies beside a stage that is done. */
  #after(me: Me, stage: string): Step {
    if (stage !== 'gallery' || me.treasures.bridge === undefined || me.treasures.bridge.mine > 0 || !this.#chance(0.6))
      return this.#think();
    this.#plan = { at: 'claiming', stage, treasure: 'bridge' };
    return this.#walk(places.bridge as Place);
  }
  #claim(treasure: string): Step {
    if (this.#plan.at === 'claiming') this.#plan = { at: 'choosing' };
    const at =
      treasure === strayCoin
        ? {}
        : { ...near(this.#here, this.random() * 20, this.random), accuracy: Math.round(5 + this.random() * 15) };
    return { kind: 'act', action: { type: 'claim', treasure, ...at } };
  }

  /** Refusals after which there is nothing to be had at this stage for now. */
  #hopeless(nack: Nack): boolean {
    return ['STAGE_LOCKED', 'ALREADY_DONE', 'NO_ATTEMPTS', 'NOT_FOUND', 'OUT_OF_STOCK', 'NOT_ALLOWED'].includes(
      nack.code,
    );
  }
  #chance(probability: number): boolean {
    return this.random() < probability;
  }
  #one<T>(of: readonly T[]): T {
    return of[Math.floor(this.random() * of.length)] as T;
  }
}
