import assert from 'node:assert/strict';
import { ActorSpec, type Played } from '../spec.ts';
import { claimMs, keptMs, requestKeyActor } from './actor.ts';

const result = (played: Played<unknown>) => (played.reply as { result: unknown } | undefined)?.result;
const begin = (key: string, hash = 'aGFzaA', minted: unknown = { hunt_id: 7 }) => ({ key, body_hash: hash, minted });

describe('a request key', () => {
  it('is begun once, answered once, and then answers for a day', () => {
    const key = new ActorSpec(requestKeyActor, 9);
    assert.deepEqual(result(key.command('begin', begin('POST /a'))), { state: 'begun', minted: { hunt_id: 7 } });
    assert.equal(key.command('begin', begin('POST /a')).code, 'BUSY');
    assert.equal(key.command('begin', begin('POST /a', 'b3RoZXI')).code, 'SEQ_CONFLICT');
    assert.equal((key.query('get', { key: 'POST /a' }) as { code: string }).code, 'NOT_FOUND');
    assert.deepEqual(
      result(key.command('answer', { key: 'POST /a', status: 201, body: '{"a":1}', location: '/x' })),
      {},
    );
    assert.equal(key.command('answer', { key: 'POST /a', status: 201, body: '{}' }).code, 'ALREADY_DONE');
    assert.equal(key.command('begin', begin('POST /a')).code, 'ALREADY_DONE');
    assert.deepEqual(key.query('get', { key: 'POST /a' }), { status: 201, body: '{"a":1}', location: '/x' });
    assert.deepEqual(key.replayed(), key.packed());
    assert.deepEqual(
      requestKeyActor.header.pack(requestKeyActor.header.unpack(requestKeyActor.header.pack(key.header))),
      key.packed().header,
    );
    key.at += keptMs;
    assert.deepEqual((result(key.command('begin', begin('POST /a', 'b3RoZXI'))) as { minted: unknown }).minted, {
      hunt_id: 7,
    });
  });

  it('hands an abandoned claim on with the ids that were minted first', () => {
    const key = new ActorSpec(requestKeyActor, 9);
    key.command('begin', begin('k', 'aGFzaA', { hunt_id: 1 }));
    key.at += claimMs;
    assert.deepEqual(result(key.command('begin', begin('k', 'aGFzaA', { hunt_id: 2 }))), {
      state: 'taken_over',
      minted: { hunt_id: 1 },
    });
  });

  it('keeps two names apart that share a hash', () => {
    const key = new ActorSpec(requestKeyActor, 9);
    key.command('begin', begin('a'));
    assert.equal(key.command('begin', begin('b', 'b3RoZXI')).code, undefined);
    assert.equal(key.command('answer', { key: 'c', status: 200, body: '' }).code, 'WRONG_STATE');
  });

  it('names what is wrong with a body', () => {
    const key = new ActorSpec(requestKeyActor, 9);
    for (const body of [
      null,
      {},
      begin(''),
      { key: 'k', body_hash: '%', minted: 1 },
      { key: 'k', body_hash: 'aGFzaA' },
    ])
      assert.equal(key.command('begin', body).code, 'INVALID');
    for (const body of [
      { key: 'k', status: 99, body: '' },
      { key: 'k', status: 200 },
    ])
      assert.equal(key.command('answer', body).code, 'INVALID');
  });
});
