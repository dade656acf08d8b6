/** Two small hunts for tests: one touches every way to complete a stage, one is played in teams. */
const past = '2020-01-01T00:00:00Z';
export const base = { lat: 48.2, lon: 16.37 };
/** Metres to degrees of latitude. */
export const north = (metres: number): number => metres / 111_195;

export const everyWay = {
  title: 'Every way',
  window: { opens: past },
  order: 'graph',
  limits: { players: 50 },
  location: { radius_m: 40, accuracy_max_m: 50, accuracy_cap_m: 25, speed_max_mps: 70 },
  defaults: { attempts: 3, penalty: 5, cooldown_s: 1, skip: true, skip_penalty: 7 },
  stages: [
    { id: 'gate', title: 'Gate', points: 100, complete: { check_in: { ...base, pin: true } } },
    {
      id: 'riddle',
      title: 'Riddle',
      points: 200,
      requires: ['gate'],
      clues: [
        {
          id: 'c1',
          text: 'Whose trident?',
          hints: [
            { text: 'Roman, not Greek', cost: 20 },
            { text: 'Starts with N', cost: 30 },
          ],
        },
      ],
      complete: { answer: { clue: 'c1', accept: ['Neptune', 1912] } },
      after: 'Behind the third column.',
    },
    { id: 'column', title: 'Column', points: 150, requires: ['gate'], complete: { scan: { code: 'HX-2291' } } },
    {
      id: 'vault',
      title: 'Vault',
      points: 10,
      requires: ['riddle', 'column'],
      complete: { claim: { treasure: 'chest' } },
    },
    {
      id: 'faraway',
      title: 'Far away',
      points: 80,
      requires: ['gate'],
      complete: { check_in: { lat: base.lat + north(100_000), lon: base.lon } },
    },
    {
      id: 'fail',
      title: 'Two tries',
      points: 40,
      attempts: 2,
      clues: [{ id: 'c2', text: 'Choose.', choices: ['a', 'b'] }],
      complete: { answer: { clue: 'c2', accept: ['a'], match: 'exact' } },
    },
  ],
  treasures: [
    { id: 'chest', title: 'Chest', stage: 'vault', points: 300, stock: 5, first_finder_bonus: 50, at: base },
    { id: 'coin', title: 'Coin', points: 5, stock: 2 },
    { id: 'box', title: 'Box', points: 6, code: 'OPEN-7' },
  ],
};
export const teams = {
  title: 'Teams',
  window: { opens: past },
  entry: 'team',
  order: 'linear',
  team: { size_max: 2 },
  defaults: { attempts: 0, cooldown_s: 0, penalty: 0, skip: false },
  stages: [
    {
      id: 's1',
      title: 'One',
      points: 10,
      clues: [{ id: 'q1', text: 'Two and two?' }],
      complete: { answer: { clue: 'q1', accept: ['4', 'four'] } },
    },
    { id: 's2', title: 'Two', points: 20, complete: { scan: { code: 'TEAM-2' } } },
  ],
};
