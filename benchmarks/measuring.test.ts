import assert from 'node:assert/strict';
import { ReplyBatch } from '../proto/generated/hunt/v1/ingest.ts';
import { cpuSeconds, rssBytes } from './cpu-meter.ts';
import { runOpenLoop } from './open-loop.ts';
import { Metrics } from './prometheus.ts';
import { Quantiles } from './quantiles.ts';
import { ReplyScan } from './reply-scan.ts';

describe('quantiles', () => {
  it('are right within one percent', () => {
    const quantiles = new Quantiles();
    for (let i = 1; i <= 1_000; i++) quantiles.add(i);
    assert.ok(Math.abs(quantiles.at(0.5) - 500) <= 5);
    assert.ok(Math.abs(quantiles.at(0.99) - 990) <= 10);
    assert.equal(quantiles.at(1), 1_000);
    quantiles.reset();
    assert.ok(Number.isNaN(quantiles.at(0.5)));
  });
});

describe('an open loop', () => {
  it('offers every piece once, in order, with the time at which it was due', async () => {
    const due: number[] = [];
    const begun = performance.now();
    const issued = await runOpenLoop({
      perSecond: 2_000,
      seconds: 0.2,
      tickMs: 5,
      issue(count, first, step) {
        for (let k = 0; k < count; k++) due.push(first + k * step);
      },
    });
    assert.deepEqual([issued, due.length], [400, 400]);
    assert.ok(due.every((at, i) => Math.abs(at - (due[0] as number) - i * 0.5) < 0.001));
    assert.ok(performance.now() - begun >= 199);
  });
});

describe('metrics pages', () => {
  it('are added up, subtracted, and give a bucket bound as quantile', () => {
    const page = (fast: number, slow: number) =>
      `# HELP x\nx_bucket{le="0.01"} ${fast}\nx_bucket{le="0.1"} ${fast + slow}\nx_bucket{le="+Inf"} ${fast + slow}\nx_sum ${slow}\nx_count ${fast + slow}\nc{code="A"} 2\nc{code="B"} 3\n`;
    const grown = Metrics.parse(page(99, 1), page(99, 1)).since(Metrics.parse(page(0, 0)));
    assert.equal(grown.total('c'), 5);
    assert.equal(grown.quantileMs('x', 0.5), 10);
    assert.equal(grown.quantileMs('x', 0.999), 100);
  });
});

describe('the kernel', () => {
  it('tells the CPU and the memory of this process', () => {
    assert.ok(cpuSeconds(process.pid) > 0 && rssBytes(process.pid) > 1_000_000);
  });
});

describe('the scan of replies', () => {
  it('finds what the generated decoder finds', () => {
    const reply = { huntId: 2 ** 45 + 3, playerId: 'p1234', seq: 300 };
    const bytes = ReplyBatch.encode({
      replies: [
        { ...reply, outcome: { $case: 'ack', value: { version: 7, events: 1, duplicate: true, result: undefined } } },
        {
          ...reply,
          playerId: 'p0',
          seq: 1,
          outcome: {
            $case: 'nack',
            value: { code: 'BUSY', message: 'm', retryable: true, retryMs: 50, version: 0, detailJson: '{}' },
          },
        },
        {
          ...reply,
          playerId: 'p7',
          seq: 2,
          outcome: {
            $case: 'nack',
            value: { code: 'FINISHED', message: 'm', retryable: false, retryMs: 0, version: 0, detailJson: '' },
          },
        },
      ],
    }).finish();
    const found: unknown[] = [];
    new ReplyScan().each(bytes, (...one) => found.push(one));
    assert.deepEqual(found, [
      [1234, 300, undefined, undefined],
      [0, 1, 'BUSY', 50],
      [7, 2, 'FINISHED', undefined],
    ]);
  });
});
