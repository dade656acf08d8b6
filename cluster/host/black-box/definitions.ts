/** Hunts that the black-box tests play. Answers, codes and hidden places are made to be found again by the secrets scan. */
import { systemClock } from '../../../runtime/kernel/clock.ts';
import type { Secret } from './judge/secrets.ts';

/** One degree of latitude is 111.2 km. */
export const northDegrees = (metres: number): number => metres / 111_195;

export const gate = { lat: 52.51628, lon: 13.3777 };
export const chestPlace = { lat: 52.5186, lon: 13.3762 };

const iso = (ms: number): string => new Date(ms).toISOString().replace(/\.\d+Z$/, 'Z');
const hourMs = 3_600_000;

/** The contract's example (section 1), moved so that it is open now and its coin is released `coinInMs` from now. */
export function oldTown({ coinInMs = 1_500 }: { readonly coinInMs?: number } = {}): string {
  const now = systemClock.now();
  return `
title: Old Town Mystery
window: {opens: ${iso(now - hourMs)}, closes: ${iso(now + 8 * hourMs)}, timezone: Europe/Berlin}
order: graph
location: {radius_m: 30}
defaults: {cooldown_s: 1}
stages:
  - {id: gate, title: The Gate, points: 100, complete: {check_in: {lat: ${gate.lat}, lon: ${gate.lon}, pin: true}}}
  - id: fountain
    title: The Fountain
    points: 200
    requires: [gate]
    attempts: 3
    penalty: 10
    clues: [{id: god, text: "Whose trident is it?", hints: [{text: Not the Greek name, cost: 20}, {text: Starts with N, cost: 40, delay_s: 120}]}]
    complete: {answer: {clue: god, accept: [Neptune, Neptun], match: typo}}
    after: "Look behind the third column."
  - {id: column, title: The Column, points: 150, requires: [fountain], complete: {scan: {code: HX-2291}}}
  - {id: vault, title: The Vault, points: 0, requires: [column], complete: {claim: {treasure: chest}}}
treasures:
  - {id: chest, title: The Chest, stage: vault, points: 300, stock: 3, first_finder_bonus: 50, at: {lat: ${chestPlace.lat}, lon: ${chestPlace.lon}}}
  - {id: coin, title: Stray Coin, points: 5, stock: 500, opens: ${iso(Math.ceil((now + coinInMs) / 1000) * 1000)}}
`;
}

/** Two stages in a line, for teams of two. */
export const relay = {
  title: 'The Relay',
  description: 'Run, answer, run.',
  window: { opens: '2020-01-01T00:00:00Z' },
  entry: 'team',
  team: { size_max: 2, create: 'players' },
  order: 'linear',
  defaults: { attempts: 0, cooldown_s: 0, penalty: 1, skip: false },
  stages: [
    {
      id: 'first',
      title: 'First',
      points: 10,
      clues: [{ id: 'sum', text: 'Two and two?' }],
      complete: { answer: { clue: 'sum', accept: [4, 'four'] } },
    },
    { id: 'second', title: 'Second', points: 20, complete: { scan: { code: 'RELAY-2' } } },
  ],
};

/** Nothing limits its claims: every claim is one event worth one point. For load. */
export const meadow = (treasures = 64, players = 100_000): object => ({
  title: 'The Meadow',
  window: { opens: '2020-01-01T00:00:00Z' },
  limits: { players },
  stages: [{ id: 'never', title: 'Never', complete: { scan: { code: 'NEVER-FOUND' } } }],
  treasures: Array.from({ length: treasures }, (_, i) => ({
    id: `t${i}`,
    title: `Flower ${i}`,
    points: 1,
    per_entrant: 0,
  })),
});

/** A hunt of unmistakable secrets, and the list of what no player may ever receive before having earned it. */
export function vaultOfSecrets(): {
  readonly definition: object;
  readonly secrets: readonly Secret[];
  readonly earned: readonly Secret[];
} {
  const definition = {
    title: 'Vault of Secrets',
    description: 'Everything here is a secret.',
    window: { opens: '2020-01-01T00:00:00Z' },
    order: 'graph',
    defaults: { attempts: 5, cooldown_s: 0 },
    entry: 'solo',
    stages: [
      {
        id: 'a',
        title: 'Open to all',
        points: 1,
        clues: [
          { id: 'qa', text: 'First question?', hints: [{ text: 'zephyrhintone', cost: 1 }, { text: 'zephyrhinttwo' }] },
        ],
        complete: { answer: { clue: 'qa', accept: ['Quixotanswer', 'Jabberwockalt'] } },
        after: 'obsidianafterword',
      },
      {
        id: 'b',
        title: 'Tourmalinetitle',
        points: 2,
        requires: ['a'],
        text: 'peridotstagetext',
        clues: [{ id: 'qb', text: 'malachitecluetext' }],
        complete: { scan: { code: 'BERYLCODE-77' } },
      },
      {
        id: 'c',
        title: 'Hidden place',
        points: 3,
        teaser: true,
        requires: ['b'],
        complete: { check_in: { lat: 41.385063, lon: 2.173404, pin: false } },
      },
      { id: 'd', title: 'Last', points: 4, requires: ['c'], complete: { claim: { treasure: 'idol' } } },
    ],
    treasures: [
      { id: 'idol', title: 'Onyxidoltitle', stage: 'd', points: 5, at: { lat: 41.403629, lon: 2.174356 } },
      { id: 'purse', title: 'Purse', points: 6, code: 'GARNETPIN-5' },
      { id: 'late', title: 'Amberlatetitle', points: 7, opens: '2099-01-01T00:00:00Z' },
    ],
  };
  return {
    definition,
    secrets: [
      { name: 'answer', text: 'Quixotanswer' },
      { name: 'other answer', text: 'Jabberwockalt' },
      { name: 'scan code', text: 'BERYLCODE-77' },
      { name: 'treasure code', text: 'GARNETPIN-5' },
      { name: 'second hint', text: 'zephyrhinttwo' },
      { name: 'title of an unreleased treasure', text: 'Amberlatetitle' },
      { name: 'title of a treasure of a locked stage', text: 'Onyxidoltitle' },
      { name: 'latitude of stage c', number: 41.385063 },
      { name: 'longitude of stage c', number: 2.173404 },
      { name: 'latitude of the idol', number: 41.403629 },
      { name: 'longitude of the idol', number: 2.174356 },
    ],
    earned: [
      { name: 'first hint', text: 'zephyrhintone' },
      { name: 'text after a', text: 'obsidianafterword' },
      { name: 'title of locked b', text: 'Tourmalinetitle' },
      { name: 'text of locked b', text: 'peridotstagetext' },
      { name: 'clue of locked b', text: 'malachitecluetext' },
    ],
  };
}
