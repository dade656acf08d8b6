import assert from 'node:assert/strict';
import { type Action, SubmitRequest } from '../../proto/generated/hunt/v1/ingest.ts';
import { requestWithTokenName, withTokenName } from './token-name.ts';

const join = (name: string): Action => ({ action: { $case: 'join', value: { name } } });
const ann = { role: 'player', name: 'Ann' };

describe("a join and the name in the player's token", () => {
  it('takes it when the join has none, whatever it came over', () => {
    assert.deepEqual(withTokenName(join(''), ann), join('Ann'));
    const bytes = SubmitRequest.encode({ huntId: 7, playerId: 'a', seq: 1, action: join('') }).finish();
    assert.deepEqual(SubmitRequest.decode(requestWithTokenName(bytes, ann)).action, join('Ann'));
  });

  it('leaves a name that was given, other actions, other roles and nameless tokens alone', () => {
    const leave: Action = { action: { $case: 'leave', value: {} } };
    assert.deepEqual(withTokenName(join('Bea'), ann), join('Bea'));
    assert.equal(withTokenName(leave, ann), leave);
    assert.deepEqual(withTokenName(join(''), { role: 'designer', name: 'Dora' }), join(''));
    assert.deepEqual(withTokenName(join(''), { role: 'player' }), join(''));
    const damaged = Uint8Array.of(0x22, 0xff);
    assert.equal(requestWithTokenName(damaged, ann), damaged);
  });
});
