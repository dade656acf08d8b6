import assert from 'node:assert/strict';
import { systemTimers } from '../../runtime/kernel/timer.ts';
import { buildAdmin } from '../admin/admin.ts';
import { operationsOf } from '../admin/operations/operations.ts';
import { Problem } from '../admin/problem.ts';
import { ScriptedWorld } from '../admin/scripted-world.ts';
import { DefinitionDesk, hereCharsMax } from './definition-desk.ts';

const bytesMax = 1024 * 1024;
const filledWith = (unit: string) => unit.repeat(Math.floor((bytesMax - 100) / unit.length));
const stage = { id: 'a', title: 'A', complete: { scan: { code: 'X' } } };
const large = JSON.stringify({
  title: 'Large',
  stages: Array.from({ length: 240 }, (_, i) => ({ ...stage, id: `s${i}`, text: 'x'.repeat(4_000) })),
});

/** The longest that the loop was away while the work was done: timers are due each millisecond. */
async function longestPause(work: () => Promise<void>): Promise<number> {
  let longest = 0;
  let last = performance.now();
  const timer = setInterval(() => {
    const now = performance.now();
    longest = Math.max(longest, now - last);
    last = now;
  }, 1);
  try {
    await work();
  } finally {
    clearInterval(timer);
  }
  return longest;
}

describe('the definition desk', function () {
  this.timeout(60_000);
  let desk: DefinitionDesk;
  before(() => {
    desk = new DefinitionDesk(systemTimers);
  });
  after(() => desk.close());

  it('reads small JSON here and all else on its thread, with the same outcome', async () => {
    const small = await desk.parse({ text: JSON.stringify({ title: 'T', stages: [stage] }), format: 'json' });
    assert.ok(small.ok);
    const away = await desk.parse({ text: large, format: 'json' });
    assert.ok(away.ok && (away.definition as { stages: unknown[] }).stages.length === 240, JSON.stringify(away));
    const bad = await desk.parse({ text: `title: T\nstages: []\n${'# comment\n'.repeat(2_000)}`, format: 'yaml' });
    assert.ok(!bad.ok && bad.errors[0]?.path === '/stages', JSON.stringify(bad));
  });

  it('answers in order, and BUSY when too many wait', async () => {
    const few = new DefinitionDesk(systemTimers, { backlogMax: 2 });
    const source = { text: large, format: 'json' } as const;
    const order: number[] = [];
    const three = [1, 2, 3].map((n) => few.parse(source).then(() => order.push(n)));
    await assert.rejects(few.parse(source), (error) => error instanceof Problem && error.code === 'BUSY');
    await Promise.all(three);
    assert.deepEqual(order, [1, 2, 3]);
    few.close();
    await assert.rejects(few.parse(source), (error) => error instanceof Problem && error.code === 'BUSY');
  });

  it('ends one that takes too long or too much memory with a fault that names the limit, and goes on', async () => {
    for (const [bounds, limit] of [
      [{ jobMsMax: 300 }, /0\.3 s that are allowed: make it smaller/],
      [{ heapMiBMax: 48 }, /48 MiB that are allowed: make it smaller/],
    ] as const) {
      const tight = new DefinitionDesk(systemTimers, bounds);
      const refused = await tight.parse({ text: `[${filledWith('a,')}]`, format: 'yaml' });
      assert.ok(!refused.ok);
      assert.match(refused.errors[0]?.message ?? '', limit);
      if (!('jobMsMax' in bounds)) assert.ok((await tight.parse({ text: large, format: 'json' })).ok);
      tight.close();
    }
  });

  const hostile: Record<string, { text: string; format: 'json' | 'yaml' }> = {
    'deep JSON': { text: '['.repeat(bytesMax / 2) + ']'.repeat(bytesMax / 2), format: 'json' },
    'doubled keys': { text: `{${filledWith('"a":1,')}"a":1}`, format: 'json' },
    'thousands of faulty stages': { text: `{"title":"T","stages":[${filledWith('{},')}{}]}`, format: 'json' },
    'stacked marks': { text: JSON.stringify({ title: '\u0301\u0323'.repeat(bytesMax / 4 - 10) }), format: 'json' },
    'deep YAML': { text: '['.repeat(bytesMax), format: 'yaml' },
    'anchors in anchors': {
      text: `a0: &a0 [x]\n${Array.from({ length: 20_000 }, (_, i) => `a${i + 1}: &a${i + 1} [*a${i}, *a${i}, *a${i}]`).join('\n')}`,
      format: 'yaml',
    },
    'thousands of syntax errors': { text: filledWith('}\n'), format: 'yaml' },
    'doubled YAML keys': { text: filledWith('a: 1\n'), format: 'yaml' },
  };

  it('never holds up the gateway over HTTP, be a megabyte hostile or good', async () => {
    const world = new ScriptedWorld();
    // Shorter than in earnest: the longer the wait, the more other processes get between.
    const quick = new DefinitionDesk(systemTimers, { jobMsMax: 2_000 });
    const app = await buildAdmin(operationsOf({ ...world.ports(), parseDefinition: quick.parse }));
    const base = await app.listen({ host: '127.0.0.1', port: 0 });
    const token = await world.token('designer', 'dora');
    const post = async ({ text, format }: { text: string; format: string }): Promise<{ code?: string }> => {
      const response = await fetch(`${base}/v1/hunts?dry_run=true`, {
        method: 'POST',
        headers: { authorization: `Bearer ${token}`, 'content-type': `application/${format}` },
        body: text,
      });
      return (await response.json()) as { code?: string };
    };
    try {
      await post({ text: large, format: 'json' });
      for (const [what, source] of Object.entries({ ...hostile, 'a good one': { text: large, format: 'json' } })) {
        let best = Number.POSITIVE_INFINITY;
        // Other processes hold this one up too: the best of five tells what the gateway itself does.
        for (let tries = 0; tries < 5 && best >= 50; tries++) {
          const pause = await longestPause(async () => {
            assert.equal((await post(source)).code, what === 'a good one' ? undefined : 'INVALID', what);
          });
          best = Math.min(best, pause);
        }
        assert.ok(best < 50, `${what} held the gateway up for ${Math.round(best)} ms`);
      }
    } finally {
      await app.close();
      quick.close();
    }
  });

  it('reads no JSON here that could take long', async () => {
    for (const [what, { text, format }] of Object.entries(hostile)) {
      if (format !== 'json') continue;
      let best = Number.POSITIVE_INFINITY;
      for (let tries = 0; tries < 5 && best >= 20; tries++) {
        const began = performance.now();
        await desk.parse({ text: text.slice(0, hereCharsMax), format });
        best = Math.min(best, performance.now() - began);
      }
      assert.ok(best < 20, `${what}, cut to ${hereCharsMax} characters, took ${best} ms`);
    }
  });
});
