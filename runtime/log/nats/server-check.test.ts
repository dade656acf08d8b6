import assert from 'node:assert/strict';
import { judgeServer, type ServerFacts } from './server-check.ts';

const good: ServerFacts = {
  version: '2.9.10',
  payloadBytesMax: 1024 * 1024,
  account: { limits: { max_storage: -1, max_streams: -1 } },
};
const faultsOf = (facts: Partial<ServerFacts>, options = {}): readonly string[] =>
  judgeServer({ ...good, ...facts }, options).faults;

describe('the check of a NATS server', () => {
  it('finds nothing wrong with one that is good enough', () => {
    assert.deepEqual(faultsOf({}), []);
    assert.deepEqual(faultsOf({ version: '2.12.1' }, { replicas: 3 }), []);
    assert.deepEqual(faultsOf({ version: '2.9.21' }, { replicas: 3 }), []);
    assert.deepEqual(faultsOf({ version: '2.10.0-RC.3' }, { replicas: 5 }), []);
    assert.deepEqual(faultsOf({ version: '3.0.0' }, { replicas: 3 }), []);
  });

  it('refuses a clustered stream on servers that let several conditional publishes win', () => {
    for (const version of ['2.9.10', '2.9.20', '2.9.2']) {
      const [fault] = faultsOf({ version }, { replicas: 3 });
      assert.match(fault ?? '', new RegExp(`nats-server ${version} must not hold the log on 3 servers.*2\\.9\\.21`));
    }
  });

  it('refuses, with a sentence each, what is too old or too small or without JetStream', () => {
    assert.match(faultsOf({ version: '2.8.4' })[0] ?? '', /2\.8\.4 is too old/);
    assert.match(faultsOf({ payloadBytesMax: 65_536 })[0] ?? '', /max_payload .* 65536/);
    assert.match(
      faultsOf({ account: undefined, trouble: 'no responders' })[0] ?? '',
      /JetStream is not enabled \(no responders\)/,
    );
    assert.match(faultsOf({}, { replicas: 2 }).join(), /2 replicas: JetStream needs 1, 3 or 5/);
    const limits = { max_storage: 1000, max_streams: 2 };
    const faults = faultsOf({ account: { limits } }, { logBytesMax: 1000, pageBytesMax: 500 });
    assert.match(faults[0] ?? '', /may store 1000 bytes .* reserve 4195804/);
    assert.match(faults[1] ?? '', /may have 2 streams/);
    const tiers = { R1: { limits: { max_storage: -1, max_streams: -1 } } };
    const tiered = { limits: { max_storage: 0, max_streams: 0 }, tiers };
    assert.deepEqual(faultsOf({ account: tiered }), []);
    assert.match(faultsOf({ account: tiered, version: '2.11.0' }, { replicas: 3 })[0] ?? '', /may store 0 bytes/);
  });

  it('says what the files on disk are worth', () => {
    const note = (version: string, replicas = 1): string =>
      judgeServer({ ...good, version }, { replicas }).notes.join();
    assert.match(note('2.9.10'), /every 2 minutes and cannot be told otherwise: .*loss of power up to that much/);
    assert.match(note('2.10.4'), /sync_interval says, which no client can read/);
    assert.match(note('2.10.4', 3), /only if a majority of the servers loses power/);
  });
});
