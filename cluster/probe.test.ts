import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import type { Duplex } from 'node:stream';
import { Symptom } from '../proto/generated/node/v1/cluster.ts';
import { Hello } from '../proto/generated/node/v1/link.ts';
import { FrameReader, frame, frameType } from '../runtime/link/frame.ts';
import { silentMsMax, stuckMsMax } from './limits.ts';
import { Probe } from './probe.ts';

/** The other end of a probe's connection, in the test's hands. */
class Line extends EventEmitter {
  readonly asked: number[] = [];
  readonly #frames = new FrameReader();
  destroyed = false;
  write(bytes: Buffer): boolean {
    this.#frames.push(bytes, (type) => this.asked.push(type));
    return true;
  }
  destroy(): void {
    if (this.destroyed) return;
    this.destroyed = true;
    this.emit('close');
  }
  refuse(code: string): void {
    this.emit('error', Object.assign(new Error(code), { code }));
    this.destroy();
  }
  open(peer = 'n2@7', view = 9): void {
    this.emit('connect');
    this.emit('data', frame(frameType.hello, Hello.encode({ protocol: 1, peer, view }).finish()));
  }
  pong(logSilentMs = 0): void {
    const body = Buffer.alloc(4);
    body.writeUInt32LE(logSilentMs, 0);
    this.emit('data', frame(frameType.pong, body));
  }
}

describe("a node's eye on another", () => {
  let now: number;
  let lines: Line[];
  let noticed: number;
  let newest: number;
  let probe: Probe;
  const line = () => lines.at(-1) ?? assert.fail('it has not connected');

  beforeEach(() => {
    now = 0;
    lines = [];
    noticed = 0;
    newest = 0;
    probe = new Probe(
      { id: 'n2', incarnation: 7, addr: '/run/n2.sock' },
      {
        clock: { now: () => now, monotonic: () => now },
        connect: () => {
          const made = new Line();
          lines.push(made);
          return made as unknown as Duplex;
        },
        name: 'n1',
        view: () => 5,
        newerView: (view) => (newest = view),
        noticed: () => noticed++,
      },
    );
  });

  it('finds nothing wrong with one that answers, and learns of newer views by the way', () => {
    line().open();
    assert.equal(newest, 9);
    for (let i = 0; i < 20; i++) {
      now += 1_000;
      probe.tick();
      line().pong();
      assert.equal(probe.symptom(0), undefined);
    }
    assert.ok(probe.everHeard);
    assert.equal(line().asked.filter((type) => type === frameType.ping).length, 21);
  });

  it('knows at once that nobody listens, also when the connection breaks', () => {
    line().open();
    line().pong();
    line().destroy();
    assert.equal(lines.length, 2, 'it tries again at once');
    assert.equal(noticed, 0);
    line().refuse('ECONNREFUSED');
    assert.deepEqual([noticed, probe.symptom(0)], [1, Symptom.REFUSED]);
    probe.tick();
    line().open();
    assert.equal(probe.symptom(0), undefined);
  });

  it('takes other troubles of connecting for silence', () => {
    line().refuse('EMFILE');
    assert.equal(probe.symptom(0), undefined);
    now = silentMsMax + 1;
    assert.equal(probe.symptom(0), Symptom.SILENT);
  });

  it('finds one silent that accepts and does not answer, but not while this process itself slept', () => {
    line().open();
    line().pong();
    now = silentMsMax + 1;
    assert.equal(probe.symptom(0), Symptom.SILENT);
    probe.excuse(now);
    assert.equal(probe.symptom(0), undefined);
  });

  it('does not take a successor at the same address for the node that the view means', () => {
    line().open('n2@8');
    assert.equal(probe.everHeard, false);
    assert.ok(lines[0]?.destroyed);
  });

  it('finds one stuck that has not heard from the log while others have, all the time', () => {
    line().open();
    line().pong(stuckMsMax + 1);
    assert.equal(probe.symptom(stuckMsMax + 1), Symptom.STUCK);
    assert.equal(probe.symptom(100), undefined, 'the log may have come back just now, to all of us');
  });
});
