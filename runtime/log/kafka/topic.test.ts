import assert from 'node:assert/strict';
import { Kafka, logLevel } from 'kafkajs';
import { requireServer } from '../../../cluster/host/servers/require-server.ts';
import { sharedServer } from '../../../cluster/host/servers/shared-server.ts';
import { eventually } from '../contract-fixture.ts';
import { freshTopic } from './kafka-log.fixture.ts';
import { checkKafka, ensureTopic, eventsTopic, judge, type TopicFacts } from './topic.ts';

const safe: Record<string, string> = {
  'cleanup.policy': 'delete',
  'retention.ms': '-1',
  'retention.bytes': '-1',
  'unclean.leader.election.enable': 'false',
  'min.insync.replicas': '2',
  'compression.type': 'producer',
  'max.message.bytes': '8388608',
};
const factsOf = (
  changed: Partial<Omit<TopicFacts, 'settings'>> = {},
  settings: Record<string, string> = {},
): TopicFacts => ({
  topic: 'hunt.events',
  partitions: 256,
  replicas: 3,
  brokers: 3,
  ...changed,
  settings: new Map(Object.entries({ ...safe, ...settings })),
});

describe('the settings of the Kafka log', () => {
  it('are safe with three replicas of which two must be in sync', () => {
    assert.deepEqual(judge(factsOf()), { faults: [], warnings: [] });
  });

  it('are a warning on one broker alone, with what is lost', () => {
    const { faults, warnings } = judge(factsOf({ replicas: 1, brokers: 1 }, { 'min.insync.replicas': '1' }));
    assert.deepEqual(faults, []);
    assert.match(warnings.join(), /killed broker loses nothing, but when its machine loses power/);
  });

  it('are a warning where one broker that is away stops play', () => {
    for (const facts of [factsOf({ replicas: 2 }), factsOf({}, { 'min.insync.replicas': '3' })]) {
      const { faults, warnings } = judge(facts);
      assert.deepEqual(faults, []);
      assert.match(warnings.join(), /play stands still/);
    }
  });

  it('are refused where acknowledged events could be lost, each with its sentence', () => {
    const unsafe: [TopicFacts, RegExp][] = [
      [factsOf({ replicas: 1 }), /one replica on 3 brokers/],
      [factsOf({}, { 'min.insync.replicas': '1' }), /acknowledged by a single broker/],
      [factsOf({}, { 'unclean.leader.election.enable': 'true' }), /cut off what was acknowledged/],
      [factsOf({}, { 'cleanup.policy': 'compact,delete' }), /out of the middle of hunts/],
      [factsOf({}, { 'retention.ms': '604800000' }), /retention\.ms=604800000.*whether they are in the archive or not/],
      [factsOf({}, { 'retention.bytes': '1' }), /retention\.bytes=1/],
      [factsOf({}, { 'compression.type': 'zstd' }), /could not be read back/],
      [factsOf({}, { 'max.message.bytes': '1048588' }), /would never be taken/],
      [factsOf({ partitions: 255 }), /exactly 256/],
    ];
    for (const [facts, sentence] of unsafe) {
      const { faults } = judge(facts);
      assert.equal(faults.length, 1);
      assert.match(faults[0] as string, sentence);
    }
  });

  it('name a topic that Kafka can have, or say why not', () => {
    assert.equal(eventsTopic('berlin-1'), 'berlin-1.hunt.events');
    assert.throws(() => eventsTopic('berlin:1'), /berlin:1/);
  });

  describe('on a broker', () => {
    let url: string;
    before(async function () {
      requireServer(this, 'kafka');
      ({ url } = await sharedServer('kafka'));
    });

    it('are made as they must be, once, by whoever comes first', async () => {
      const topic = { brokers: [url], prefix: `race-${process.pid}` };
      await Promise.all([ensureTopic(topic), ensureTopic(topic), ensureTopic(topic)]);
      const { faults, warnings } = await checkKafka(topic);
      assert.deepEqual(faults, []);
      assert.equal(warnings.length, 1, 'one broker');
    });

    it('are found out when somebody has changed them', async function () {
      this.timeout(60_000);
      const topic = await freshTopic(url);
      const admin = new Kafka({ brokers: [url], logLevel: logLevel.NOTHING }).admin();
      await admin.connect();
      const configEntries = [{ name: 'retention.ms', value: '3600000' }];
      await admin.alterConfigs({
        validateOnly: false,
        resources: [{ type: 2, name: eventsTopic(topic.prefix), configEntries }],
      });
      await admin.disconnect();
      const isFound = async (): Promise<boolean> =>
        (await checkKafka(topic)).faults.some((fault) => fault.includes('retention.ms=3600000'));
      // It applies them to one partition after the other before it tells.
      await eventually('the broker to tell its new setting', isFound, 45_000);
    });

    it('are missing where there is no topic, or no broker', async () => {
      assert.match(
        (await checkKafka({ brokers: [url], prefix: 'nobody' })).faults.join(),
        /no topic nobody\.hunt\.events/,
      );
      assert.match(
        (await checkKafka({ brokers: ['127.0.0.1:1'] })).faults.join(),
        /No Kafka broker answers at 127\.0\.0\.1:1/,
      );
    });
  });
});
