import assert from 'node:assert/strict';
import { parse } from 'yaml';
import type { Ack, Me, Nack, StageView } from '../../../gateway/sdk/messages.ts';
import { drawCharacter } from './character.ts';
import { demoDefinition, solutionOf } from './demo.ts';
import { Mind, type Step } from './mind.ts';
import { distance, places } from './places.ts';
import { seededRandom } from './seeded-random.ts';

interface Stage {
  id: string;
  requires?: string[];
  complete: {
    check_in?: { lat: number; lon: number };
    answer?: { clue: string; accept: string[] };
    scan?: { code: string };
    claim?: { treasure: string };
  };
  clues?: { id: string; hints?: unknown[] }[];
}
const definition = parse(demoDefinition()) as { title: string; stages: Stage[]; location: { speed_max_mps: number } };

/** As much of the rules as a bot can notice: stages open one after another, answers are right or wrong. */
class TinyGame {
  readonly me: Me = {
    player: 'bot-1',
    status: 'none',
    total: 0,
    last_seq: 0,
    stages: {},
    treasures: { coin: { title: 'Coin', points: 10, mine: 0 } },
  };
  constructor() {
    for (const stage of definition.stages) this.me.stages[stage.id] = this.#view(stage, 'locked');
  }
  play(step: Extract<Step, { kind: 'act' }>): Ack | Nack {
    const { action } = step;
    const solved = definition.stages.find(({ id, complete }) => {
      if (this.me.stages[id]?.state !== 'open') return false;
      if (action.type === 'check_in')
        return (
          action.stage === id &&
          complete.check_in !== undefined &&
          distance(complete.check_in, action) < 40 &&
          action.accuracy <= 60
        );
      if (action.type === 'answer')
        return complete.answer?.clue === action.clue && complete.answer.accept.includes(action.text);
      if (action.type === 'scan') return complete.scan?.code === action.code;
      if (action.type === 'claim') return complete.claim?.treasure === action.treasure;
      return false;
    });
    const wrong = ['check_in', 'answer', 'scan'].includes(action.type) && solved === undefined;
    if (action.type === 'join') this.me.status = 'joined';
    else if (action.type === 'leave') this.me.status = 'left';
    else if (action.type === 'skip' && action.stage) this.me.stages[action.stage] = { state: 'skipped' };
    else if (action.type === 'hint') for (const view of Object.values(this.me.stages)) this.#hint(view, action.clue);
    if (solved) this.me.stages[solved.id] = { state: 'done' };
    for (const stage of definition.stages) {
      const settled = (stage.requires ?? []).every((id) =>
        ['done', 'skipped'].includes(this.me.stages[id]?.state ?? ''),
      );
      if (settled && this.me.stages[stage.id]?.state === 'locked') this.me.stages[stage.id] = this.#view(stage, 'open');
    }
    if (Object.values(this.me.stages).every(({ state }) => state === 'done' || state === 'skipped'))
      this.me.status = 'finished';
    const base = { seq: 1, hunt: 1 };
    return wrong
      ? { t: 'nack', ...base, code: 'WRONG_ANSWER', message: '', retryable: false }
      : { t: 'ack', ...base, version: 1, events: 1, result: { points: 0, total: 0 } };
  }
  #view(stage: Stage, state: StageView['state']): StageView {
    const clue = stage.clues?.[0];
    return {
      state,
      ...(clue && state === 'open'
        ? { clues: { [clue.id]: { text: '?', hints: [], hints_left: clue.hints?.length ?? 0 } } }
        : {}),
    };
  }
  #hint(view: StageView, clue: string): void {
    const held = view.clues?.[clue];
    if (held === undefined || held.hints_left === 0) return;
    held.hints.push('hint');
    held.hints_left--;
  }
}

const stepsMax = 2_000;
function life(seed: number): { steps: Step[]; accepted: Set<Step> } {
  const random = seededRandom(seed);
  const mind = new Mind(drawCharacter(0, random), solutionOf(definition), random);
  const game = new TinyGame();
  const steps: Step[] = [];
  const accepted = new Set<Step>();
  let last: Ack | Nack | undefined;
  for (let now = 0; steps.length < stepsMax; ) {
    const step = mind.next(game.me, last, now);
    steps.push(step);
    last = step.kind === 'act' ? game.play(step) : undefined;
    if (last?.t === 'ack') accepted.add(step);
    if (step.kind === 'done') break;
    if (step.kind !== 'act') now += step.ms;
  }
  return { steps, accepted };
}

describe("a demo bot's mind", () => {
  it('lives the same life from the same seed, and another from another', () => {
    assert.deepEqual(life(42).steps, life(42).steps);
    assert.notDeepEqual(life(42).steps, life(43).steps);
  });

  it('settles every stage in the end, whoever it is', () => {
    for (let seed = 1; seed <= 200; seed++) assert.equal(life(seed).steps.at(-1)?.kind, 'done', `seed ${seed}`);
  });

  it('behaves like people: some are wrong, take hints, skip, stray, go offline, leave and come back', () => {
    const seen = new Set<string>();
    for (let seed = 1; seed <= 200; seed++)
      for (const step of life(seed).steps)
        seen.add(step.kind === 'act' ? step.action.type : step.kind === 'wait' ? step.why : step.kind);
    for (const what of [
      'join',
      'leave',
      'check_in',
      'answer',
      'scan',
      'claim',
      'hint',
      'skip',
      'walks',
      'thinks',
      'strays',
      'offline',
    ])
      assert.ok(seen.has(what), what);
  });

  it('never has moved faster, between two positions that count, than the definition allows', () => {
    for (let seed = 1; seed <= 50; seed++) {
      let at: { lat: number; lon: number } | undefined;
      let ms = 0;
      const { steps, accepted } = life(seed);
      for (const step of steps) {
        if (step.kind === 'wait' || step.kind === 'offline') ms += step.ms;
        if (
          step.kind !== 'act' ||
          !accepted.has(step) ||
          !('lat' in step.action) ||
          step.action.lat === undefined ||
          step.action.lon === undefined
        )
          continue;
        const here = { lat: step.action.lat, lon: step.action.lon };
        if (at !== undefined)
          assert.ok(distance(at, here) / Math.max(1, ms / 1000) < definition.location.speed_max_mps, `seed ${seed}`);
        [at, ms] = [here, 0];
      }
    }
  });
});

describe("the demo's places", () => {
  it('are where the definition says', () => {
    for (const { id, complete } of definition.stages)
      if (complete.check_in) assert.ok(distance(complete.check_in, places[id] as { lat: number; lon: number }) < 5, id);
    for (const { id } of definition.stages) assert.ok(places[id], id);
  });
});
