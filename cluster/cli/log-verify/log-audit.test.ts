import assert from 'node:assert/strict';
import { Event } from '../../../proto/generated/hunt/v1/event.ts';
import { Record } from '../../../proto/generated/node/v1/record.ts';
import type { Position, Slot, Version } from '../../../proto/ids.ts';
import { MemoryArchive } from '../../../runtime/log/archive/memory-archive.ts';
import type { LogRecord } from '../../../runtime/log/event-log.ts';
import { type FaultKind, LogAudit } from './log-audit.ts';
import { auditLive } from './log-source.ts';
import { SeqRanges } from './seq-ranges.ts';

const hunt = 257;
interface Fact {
  player?: string;
  seq?: number;
  /** Whether this is a PlayerFinished instead of a HintTaken. */
  finished?: boolean;
  huntId?: number;
}
const vectorAt = (version: number, node = 'n1@1') => [{ node, count: version }];

/** One record of `facts`, from `version` on, as a node would write it. */
function record(version: number, facts: readonly Fact[], vector = vectorAt(version), owner = 'n1@1'): LogRecord {
  const events = facts.map(({ player = 'ada', seq = 0, finished = false, huntId = hunt }, i) =>
    Buffer.from(
      Event.encode({
        huntId,
        version: version + i,
        playerId: player,
        seq,
        occurredAt: 1,
        vector: i === 0 ? vector : [],
        teamId: '',
        by: '',
        fingerprint: 0,
        points: 0,
        outcome: finished
          ? { $case: 'playerFinished', value: {} }
          : { $case: 'hintTaken', value: { stage: 's', clue: 'c', n: 1 } },
      }).finish(),
    ),
  );
  const bytes = Record.encode({ events, epoch: 1, owner }).finish();
  return {
    stream: { kind: 'hunt', id: hunt },
    version: version as Version,
    count: facts.length,
    epoch: 1,
    position: version as Position,
    bytes,
  };
}

const audit = (...records: LogRecord[]) => {
  const judge = new LogAudit();
  for (const one of records) judge.record(one);
  return judge.report;
};
const only = (report: ReturnType<typeof audit>, kind: FaultKind, version: number): void => {
  assert.deepEqual(
    report.first_faults.map((fault) => [fault.kind, fault.version]),
    [[kind, version]],
  );
  assert.equal(report.ok, false);
};

describe('LogAudit', () => {
  it('finds a whole log whole, with several events a command, batches of several commands and a change of owner', () => {
    const handedOver = [
      { node: 'n1@1', count: 4 },
      { node: 'n2@5', count: 1 },
    ];
    const report = audit(
      record(1, [{ seq: 1 }, { seq: 1, finished: true }, { player: 'bob', seq: 1 }]),
      record(4, [{ seq: 2 }]),
      record(5, [{ seq: 4 }, { seq: 3 }], handedOver, 'n2@5'),
    );
    assert.deepEqual(report, {
      ok: true,
      hunts: 1,
      events: 6,
      batches: 3,
      holes: 0,
      forks: 0,
      vector_breaks: 0,
      seq_duplicates: 0,
      undecodable: 0,
      first_faults: [],
    });
  });

  it('finds a hole', () => only(audit(record(1, [{}]), record(4, [{}])), 'hole', 2));
  it('finds a stream that does not begin with its first event', () => only(audit(record(3, [{}])), 'hole', 1));
  it('finds a fork', () => only(audit(record(1, [{}, {}]), record(2, [{}], vectorAt(2, 'n2@2'), 'n2@2')), 'fork', 2));
  it('finds a vector whose counts do not sum to the version', () =>
    only(audit(record(1, [{}]), record(2, [{}], vectorAt(7))), 'vector_break', 2));
  it('finds two vectors that no chain holds', () =>
    only(audit(record(1, [{}]), record(2, [{}], vectorAt(2, 'n9@9'), 'n9@9')), 'vector_break', 2));
  it('finds a seq that had a second effect in another batch', () =>
    only(audit(record(1, [{ seq: 1 }]), record(2, [{ seq: 2 }]), record(3, [{ seq: 1 }])), 'seq_duplicate', 3));
  it('finds a seq that had a second effect in the same batch, also right behind the first', () => {
    only(audit(record(1, [{ seq: 1 }, { seq: 2 }, { seq: 1 }])), 'seq_duplicate', 3);
    only(audit(record(1, [{ seq: 1 }, { seq: 1 }])), 'seq_duplicate', 2);
  });
  it('finds an event of another hunt', () => only(audit(record(1, [{ huntId: 5 }])), 'undecodable', 1));
  it('finds a record that holds fewer events than it counts', () =>
    only(audit({ ...record(1, [{}]), count: 2 }), 'undecodable', 1));
  it('finds bytes that are no record', () =>
    only(audit({ ...record(1, [{}]), bytes: Uint8Array.of(0x0a, 0x50, 1) }), 'undecodable', 1));
  it('finds an event of a type that it does not know', () => {
    const future = Event.encode({
      ...Event.decode(new Uint8Array()),
      huntId: hunt,
      version: 1,
      vector: vectorAt(1),
    }).finish();
    const bytes = Record.encode({ events: [Buffer.from(future)], epoch: 1, owner: 'n1@1' }).finish();
    only(audit({ ...record(1, [{}]), bytes }), 'undecodable', 1);
  });
});

describe('auditLive', () => {
  it('reads each slot page by page, only as far as it reached when the reading began, and only the hunt that is asked for', async () => {
    const other = { ...record(1, [{}]), stream: { kind: 'code', id: hunt } };
    const pages = [
      { records: [other, record(1, [{}])], next: 10 as Position, end: 20 as Position, oldest: 0 as Position },
      { records: [record(2, [{}])], next: 20 as Position, end: 40 as Position, oldest: 0 as Position },
      { records: [record(3, [{}])], next: 40 as Position, end: 40 as Position, oldest: 0 as Position },
    ];
    const asked: number[] = [];
    const readSlot = (_: Slot, from: Position) => {
      asked.push(from);
      return Promise.resolve(pages[from / 10] as (typeof pages)[number]);
    };
    const report = await auditLive({ readSlot }, new MemoryArchive(), { slots: [1 as Slot], hunt }, () => undefined);
    assert.deepEqual([report.ok, report.events, report.hunts], [true, 2, 1]);
    // The first to learn where it begins and ends.
    assert.deepEqual(asked, [0, 0, 10]);
  });
});

describe('SeqRanges', () => {
  it('knows each seq once, in any order', () => {
    const seqs = new SeqRanges();
    assert.deepEqual(
      [5, 1, 3, 2, 4, 9, 3, 5, 1, 9, 8].map((seq) => seqs.add(seq)),
      [true, true, true, true, true, true, false, false, false, false, true],
    );
  });
});
