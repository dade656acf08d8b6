/** What every EventLog must do. Each adapter's test calls this with a fixture of its own. */
import assert from 'node:assert/strict';
import type { Position, Slot, StreamId } from '../../proto/ids.ts';
import {
  type AnyLog,
  bytesOf,
  eventually,
  freshStream,
  type LogFixture,
  readAll,
  textOf,
  version,
  WriterProcess,
} from './contract-fixture.ts';
import { type AppendOutcome, type EventLog, FencedError, type SlotWriter } from './event-log.ts';

/** Large enough that forty of them fill more than one of the small segments that an adapter's fixture may use. */
const trimmedRecordBytes = 20_000;

export function eventLogContract(name: string, make: () => Promise<LogFixture<AnyLog>>): void {
  describe(`${name} as EventLog`, () => {
    let fixture: LogFixture<AnyLog>;
    let log: EventLog;
    let rival: EventLog;
    let epoch = Math.floor(Date.now() / 1000);
    const slot = 77 as Slot;

    before(async () => {
      fixture = await make();
      log = await fixture.open();
      rival = await fixture.open();
    });
    after(async () => {
      await log?.close();
      await rival?.close();
      await fixture?.close();
    });

    const append = (
      writer: SlotWriter,
      stream: StreamId,
      expected: number,
      text: string,
      count = 1,
    ): Promise<AppendOutcome> => writer.append(stream, version(expected), count, bytesOf(text));

    it('appends iff the head is as expected, and names the head when it is not', async () => {
      const writer = await log.take(slot, ++epoch);
      const stream = freshStream(slot);
      assert.equal((await append(writer, stream, 0, 'a', 3)).kind, 'appended');
      assert.deepEqual(await append(writer, stream, 0, 'b'), { kind: 'conflict', head: 3 });
      assert.deepEqual(await append(writer, stream, 4, 'b'), { kind: 'conflict', head: 3 });
      assert.equal((await append(writer, stream, 3, 'c')).kind, 'appended');
      assert.equal(await log.head(stream), 4);
      assert.equal(await rival.head(stream), 4);
      const records = await readAll(rival, stream);
      assert.deepEqual(
        records.map((one) => [one.version, one.count, one.epoch, textOf(one)]),
        [
          [1, 3, epoch, 'a'],
          [4, 1, epoch, 'c'],
        ],
      );
    });

    it('reads from the record that holds the version, in order, in pages of about the size asked for', async () => {
      const writer = await log.take(slot, ++epoch);
      const stream = freshStream(slot);
      for (let v = 0; v < 30; v += 3)
        assert.equal((await append(writer, stream, v, `${v}`.padEnd(500, '.'), 3)).kind, 'appended');
      const page = await log.read(stream, version(5), 1200);
      assert.equal(page.records[0]?.version, 4);
      assert.equal(page.head, 30);
      assert.equal(page.oldest, 1);
      assert.ok(
        page.records.length >= 1 && page.records.length < 9 && page.next !== undefined,
        'a page ends early and says where to go on',
      );
      const all = await readAll(log, stream, 5, 1200);
      assert.deepEqual(
        all.map((one) => one.version),
        [4, 7, 10, 13, 16, 19, 22, 25, 28],
      );
      const least = await log.read(stream, version(1), 1);
      assert.equal(least.records.length, 1, 'at least one record, however small the page');
      const beyond = await log.read(stream, version(31));
      assert.deepEqual([beyond.records.length, beyond.next, beyond.head], [0, undefined, 30]);
      const none = await log.read(freshStream(slot), version(1));
      assert.deepEqual([none.records.length, none.next, none.head], [0, undefined, 0]);
    });

    it('keeps streams of different kinds and slots apart, and bytes as they were', async () => {
      const writer = await log.take(slot, ++epoch);
      const hunt = freshStream(slot, 'hunt');
      const code = { kind: 'code', id: hunt.id };
      const noise = Buffer.from(Array.from({ length: 70_001 }, (_, i) => (i * 7919) & 255));
      assert.equal((await writer.append(hunt, version(0), 1, noise)).kind, 'appended');
      assert.equal((await writer.append(code, version(0), 1, Buffer.alloc(0))).kind, 'appended');
      assert.deepEqual(Buffer.from((await readAll(rival, hunt))[0]?.bytes ?? []), noise);
      assert.equal((await readAll(rival, code))[0]?.bytes.length, 0);
    });

    it('lets exactly one of concurrent writers win each version', async () => {
      const stream = freshStream(0, 'cluster');
      const wins: string[] = [];
      const race = async (who: string, own: EventLog): Promise<void> => {
        const writer = own.shared(stream);
        for (let head = 0; head < 100; ) {
          const outcome = await writer.append(version(head), 1, bytesOf(`${who}${head + 1}`));
          if (outcome.kind === 'appended') wins[head] = `${wins[head] ?? ''}${who}${++head}`;
          else if (outcome.kind === 'conflict') head = outcome.head;
          else assert.fail(`an unexpected ${outcome.kind}`);
        }
      };
      await Promise.all([race('a', log), race('b', rival), race('c', log)]);
      const records = await readAll(log, stream);
      assert.deepEqual(
        records.map((one) => one.version),
        records.map((_, i) => i + 1),
      );
      assert.deepEqual(records.slice(0, 100).map(textOf), wins.slice(0, 100));
    });

    it('refuses to share streams that have an owner', () => {
      assert.throws(() => log.shared(freshStream(slot, 'hunt')), /hunt/);
    });

    it('carries out the appends of one writer in the order of the calls, many in flight', async () => {
      const writer = await log.take(slot, ++epoch);
      const streams = [freshStream(slot), freshStream(slot), freshStream(slot)];
      const outcomes: Promise<AppendOutcome>[] = [];
      for (let v = 0; v < 200; v++) for (const stream of streams) outcomes.push(append(writer, stream, v, `${v}`));
      for (const outcome of await Promise.all(outcomes)) assert.equal(outcome.kind, 'appended');
      for (const stream of streams)
        assert.deepEqual(
          (await readAll(rival, stream)).map(textOf),
          Array.from({ length: 200 }, (_, i) => `${i}`),
        );
    });

    it('fences the former owner, for streams old and new, and refuses a lower take', async () => {
      const first = await log.take(slot, ++epoch);
      const stream = freshStream(slot);
      assert.equal((await append(first, stream, 0, 'mine')).kind, 'appended');
      const second = await rival.take(slot, ++epoch);
      if (fixture.fencing === 'as_learned') {
        const learned = async (): Promise<boolean> =>
          (await append(first, freshStream(slot), 0, 'not yet learned')).kind === 'fenced';
        await eventually('the former owner to learn of the take', learned, 1_000);
      }
      assert.deepEqual(await append(first, stream, 1, 'late'), { kind: 'fenced', epoch });
      assert.deepEqual(await append(first, freshStream(slot), 0, 'late'), { kind: 'fenced', epoch });
      assert.equal((await append(second, stream, 1, 'theirs')).kind, 'appended');
      await assert.rejects(
        log.take(slot, epoch - 1),
        (error: unknown) => error instanceof FencedError && error.epoch === epoch,
      );
      assert.equal((await log.take(slot, epoch)).epoch, epoch);
      assert.deepEqual((await readAll(log, stream)).map(textOf), ['mine', 'theirs']);
    });

    it('lets nobody append behind a record of a higher epoch, whatever he has learned', async () => {
      const first = await log.take(slot, ++epoch);
      const [old, fresh] = [freshStream(slot), freshStream(slot)];
      assert.equal((await append(first, old, 0, 'mine')).kind, 'appended');
      const second = await rival.take(slot, ++epoch);
      const theirs = [append(second, old, 1, 'theirs'), append(second, fresh, 0, 'theirs')];
      for (const outcome of await Promise.all(theirs)) assert.equal(outcome.kind, 'appended');
      const late = [append(first, old, 2, 'late'), append(first, fresh, 1, 'late')];
      for (const outcome of await Promise.all(late)) assert.deepEqual(outcome, { kind: 'fenced', epoch });
      assert.deepEqual((await readAll(log, old)).map(textOf), ['mine', 'theirs']);
      assert.deepEqual((await readAll(log, fresh)).map(textOf), ['theirs']);
    });

    it('reads a slot in the order of the log, and on from where it ended', async () => {
      const own = 78 as Slot;
      const writer = await log.take(own, ++epoch);
      const drain = async (from: number): Promise<{ texts: string[]; positions: number[]; end: number }> => {
        const texts: string[] = [];
        const positions: number[] = [];
        for (let next = from as Position; ; ) {
          const page = await rival.readSlot(own, next, 2_000);
          for (const record of page.records) {
            texts.push(textOf(record));
            positions.push(record.position);
          }
          next = page.next;
          if (page.next === page.end) return { texts, positions, end: page.end };
        }
      };
      const before = await drain(0);
      const [a, b] = [freshStream(own), freshStream(own)];
      const wanted: string[] = [];
      for (let v = 0; v < 20; v++) {
        for (const stream of [a, b]) {
          const text = `${stream.id}:${v}`.padEnd(200, '.');
          wanted.push(text);
          assert.equal((await append(writer, stream, v, text)).kind, 'appended');
        }
      }
      const after = await drain(before.end);
      assert.deepEqual(after.texts, wanted);
      assert.deepEqual(
        after.positions,
        [...after.positions].sort((x, y) => x - y),
      );
      assert.deepEqual((await drain(after.end)).texts, []);
      assert.deepEqual((await drain(0)).texts, [...before.texts, ...wanted]);
    });

    it('says where every slot ends, so that a reader learns which of them have something new', async () => {
      const [own, quiet] = [79 as Slot, 80 as Slot];
      const writer = await log.take(own, ++epoch);
      assert.equal((await append(writer, freshStream(own), 0, 'before')).kind, 'appended');
      const before = await rival.ends();
      assert.equal(before.length, 256);
      assert.deepEqual((await rival.readSlot(own, before[own] as Position)).records, []);
      const stream = freshStream(own);
      assert.equal((await append(writer, stream, 0, 'new')).kind, 'appended');
      const after = await rival.ends();
      assert.ok((after[own] as Position) > (before[own] as Position), 'the slot that was written moved');
      assert.equal(after[quiet], before[quiet], 'and no other');
      const fresh = await rival.readSlot(own, before[own] as Position);
      assert.deepEqual(fresh.records.map(textOf), ['new']);
      assert.equal(fresh.next, after[own]);
    });

    it('trims a slot up to a position, keeps the heads, and says what is the oldest that is left', async () => {
      const own = 81 as Slot;
      const writer = await log.take(own, ++epoch);
      const [stream, quiet] = [freshStream(own), freshStream(own)];
      assert.equal((await append(writer, quiet, 0, 'quiet', 2)).kind, 'appended');
      const positions: Position[] = [];
      for (let v = 0; v < 40; v++) {
        const outcome = await append(writer, stream, v, `${v}`.padEnd(trimmedRecordBytes, '.'));
        assert.ok(outcome.kind === 'appended');
        positions.push(outcome.position);
      }
      const before = positions[30] as Position;
      const kept = await log.trim(own, before);
      assert.ok(kept <= before, 'nothing from the position on was let go of');
      assert.ok(kept > (positions[0] as Position), 'something was let go of');
      assert.equal(await log.trim(own, before), kept, 'trimming again changes nothing');
      const page = await rival.read(stream, version(1));
      const all = await readAll(rival, stream, page.oldest);
      assert.ok(page.oldest > 1 && page.oldest <= 31);
      assert.equal(page.head, 40);
      assert.deepEqual(
        all.map((one) => one.version),
        Array.from({ length: 41 - page.oldest }, (_, i) => page.oldest + i),
      );
      const gone = await rival.read(quiet, version(1));
      assert.deepEqual([gone.records.length, gone.head, gone.oldest], [0, 2, 3], 'a stream of which nothing is left');
      const slotPage = await rival.readSlot(own, 0 as Position, 1);
      assert.equal(slotPage.oldest, kept);
      assert.equal(slotPage.records[0]?.position, kept);
      assert.deepEqual(await append(writer, quiet, 0, 'again'), { kind: 'conflict', head: 2 });
      assert.equal((await append(writer, quiet, 2, 'on')).kind, 'appended');
      assert.equal((await append(writer, stream, 40, 'on')).kind, 'appended');
      if (fixture.restartServer === undefined) return;
      await fixture.restartServer();
      assert.deepEqual((await readAll(rival, quiet, 3)).map(textOf), ['on']);
      assert.equal((await rival.read(stream, version(1))).oldest, page.oldest);
    });

    it('answers reads during writes with everything that was acknowledged before', async () => {
      const writer = await log.take(slot, ++epoch);
      const stream = freshStream(slot);
      let acknowledged = 0;
      let writing = true;
      const write = (async () => {
        for (let v = 0; v < 300; v++) {
          assert.equal((await append(writer, stream, v, `${v}`)).kind, 'appended');
          acknowledged = v + 1;
        }
        writing = false;
      })();
      while (writing) {
        const known = acknowledged;
        const records = await readAll(rival, stream, Math.max(1, known - 20));
        assert.ok((records.at(-1)?.version ?? 0) >= known, `version ${known} was acknowledged before the read`);
        assert.ok((await rival.head(stream)) >= known);
      }
      await write;
    });

    it('loses nothing that was acknowledged when the server dies between write and reply, and forks nothing', async function () {
      if (fixture.restartServer === undefined) this.skip();
      const writer = await log.take(slot, ++epoch);
      const streams = Array.from({ length: 8 }, () => freshStream(slot));
      const outcomes = streams.map(async (stream) => {
        const acked: number[] = [];
        for (let head = 0; head < 120; ) {
          const outcome = await append(writer, stream, head, `${stream.id}/${head + 1}`);
          if (outcome.kind === 'appended') acked.push(++head);
          else if (outcome.kind === 'ambiguous') head = await log.head(stream);
          else if (outcome.kind === 'refused') await new Promise((resolve) => setTimeout(resolve, 20));
          else assert.fail(`${outcome.kind}: nobody else writes this stream`);
        }
        return acked;
      });
      await fixture.restartServer();
      await fixture.restartServer();
      const acked = await Promise.all(outcomes);
      for (const [i, stream] of streams.entries()) {
        const texts = (await readAll(rival, stream)).map(textOf);
        assert.deepEqual(
          texts,
          Array.from({ length: 120 }, (_, v) => `${stream.id}/${v + 1}`),
          'each version once',
        );
        for (const v of acked[i] as number[]) assert.equal(texts[v - 1], `${stream.id}/${v}`);
      }
    });

    it('remembers takes through a restart', async function () {
      if (fixture.restartServer === undefined) this.skip();
      const writer = await log.take(slot, ++epoch);
      await rival.take(slot, ++epoch);
      await fixture.restartServer();
      assert.deepEqual(await append(writer, freshStream(slot), 0, 'late'), { kind: 'fenced', epoch });
      await assert.rejects(log.take(slot, epoch - 1), FencedError);
    });

    it('lets a writer that was stopped and wakes up do no harm', async function () {
      if (fixture.opener === undefined) this.skip();
      const stream = freshStream(slot);
      const writer = await WriterProcess.start(fixture.opener);
      try {
        await writer.take(slot, ++epoch);
        assert.equal((await writer.append(stream, 0, 'zombie 1')).kind, 'appended');
        const flying = Array.from({ length: 20 }, (_, i) => writer.append(stream, 1 + i, `zombie ${i + 2}`));
        writer.stop();
        const waiting = Array.from({ length: 5 }, (_, i) => writer.append(stream, 21 + i, `zombie ${i + 22}`));
        const owner = await log.take(slot, ++epoch);
        const head = await log.head(stream);
        assert.equal((await append(owner, stream, head, 'owner')).kind, 'appended');
        writer.wake();
        const outcomes = await Promise.all([...flying, ...waiting]);
        const texts = (await readAll(log, stream)).map(textOf);
        assert.equal(texts.length, head + 1, 'nothing came behind the new owner');
        assert.equal(texts[head], 'owner');
        for (const [i, outcome] of outcomes.entries()) {
          if (outcome.kind === 'appended') assert.equal(texts[i + 1], `zombie ${i + 2}`);
          else assert.ok(outcome.kind === 'fenced' || outcome.kind === 'conflict', outcome.kind);
        }
        assert.deepEqual(await writer.append(stream, head + 1, 'again'), { kind: 'fenced', epoch });
      } finally {
        await writer.end();
      }
    });

    it('shows to all what it acknowledged to one', async () => {
      const writer = await log.take(slot, ++epoch);
      const stream = freshStream(slot);
      const outcome = await append(writer, stream, 0, 'seen');
      assert.equal(outcome.kind, 'appended');
      await eventually("the record in the rival's read", async () => (await rival.head(stream)) === 1, 1_000);
    });
  });
}
