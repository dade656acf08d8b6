import assert from 'node:assert/strict';
import { BareSocket, type CodecName, UpgradeRefused } from './bare-socket.ts';
import { Bystander } from './bystander.ts';
import type { ClusterProcess } from './cluster-process.ts';
import { delay } from './deadline.ts';
import { meadow, oldTown } from './definitions.ts';
import { RawLine, upgradeRequest } from './raw-line.ts';
import { freshPlayer, sharedCluster } from './shared-cluster.ts';
import { badTokens } from './token.ts';

describe('admission to a socket', function () {
  this.timeout(60_000);
  let cluster: ClusterProcess;
  let hunt: number;
  let bystander: Bystander;
  let restarts = 0;
  const open = (
    codec: CodecName = 'json',
    token = cluster.playerToken(hunt, freshPlayer('adm')),
  ): Promise<BareSocket> => BareSocket.open(cluster.ws, { codec, token });

  before(async () => {
    cluster = await sharedCluster();
    hunt = (await cluster.createHunt(oldTown())).hunt_id;
    restarts = cluster.restarts();
    bystander = await Bystander.start(cluster);
  });
  after(async () => {
    await bystander?.unharmed();
    assert.equal(cluster.restarts(), restarts, 'bad input ended a process');
  });

  it('refuses an upgrade without protocol, from a foreign origin, or with a bad token', async () => {
    const token = cluster.playerToken(hunt, freshPlayer('up'));
    const refused = async (options: Parameters<typeof BareSocket.open>[1]): Promise<UpgradeRefused> => {
      try {
        (await BareSocket.open(cluster.ws, options)).close();
      } catch (error) {
        if (error instanceof UpgradeRefused) return error;
        throw error;
      }
      return assert.fail(`the upgrade was let pass: ${JSON.stringify(options)}`);
    };
    assert.equal((await refused({ protocols: [] })).status, 400);
    assert.equal((await refused({ protocols: ['hunt.v0.xml'] })).status, 400);
    assert.equal((await refused({ origin: 'https://evil.example', token })).status, 403);
    assert.equal((await refused({ origin: 'null', token })).status, 403);
    for (const [what, bad] of Object.entries(badTokens(cluster.tokenKey, { sub: 'mal', role: 'player', hunt }))) {
      if (bad === '' || bad.length > 8_000) continue; // No token in the header means: auth comes as a message. A huge one is a huge header.
      assert.equal((await refused({ token: bad, header: true })).status, 401, what);
    }
    const own = await BareSocket.open(cluster.ws, { origin: cluster.http, token });
    assert.ok(own.ready);
    own.close();
  });

  it('closes with 4200 whoever shows a bad token or speaks before auth', async () => {
    for (const [what, bad] of Object.entries(badTokens(cluster.tokenKey, { sub: 'mal', role: 'player', hunt }))) {
      const socket = await BareSocket.open(cluster.ws);
      socket.send({ t: 'auth', token: bad });
      assert.equal((await socket.whenClosed()).code, 4200, what);
      const err = socket.inbox.find((one) => one.t === 'err');
      assert.equal(err?.code, 'UNAUTHENTICATED', what);
    }
    for (const first of [
      { t: 'sub', hunt },
      { t: 'act', hunt, seq: 1, action: { type: 'join' } },
      { t: 'ping' },
      { t: 'auth' },
      { t: 'auth', token: 5 },
    ]) {
      const socket = await BareSocket.open(cluster.ws);
      socket.send(first);
      assert.equal((await socket.whenClosed()).code, 4200, JSON.stringify(first));
      assert.equal(socket.inbox[0]?.t, 'err', JSON.stringify(first));
    }
    const swapped = await open();
    swapped.send({ t: 'auth', token: cluster.playerToken(hunt, freshPlayer('other')) });
    assert.equal((await swapped.whenClosed()).code, 4200, 'a token of another sub does not renew');
  });

  it('closes with 4103 who never authenticates, also when the upgrade came a byte at a time', async () => {
    const silent = await BareSocket.open(cluster.ws);
    const slow = await RawLine.open(cluster.http);
    const [start, rest] = [upgradeRequest('hunt.v1.json', 'x').slice(0, 40), 'X-Slow: 1\r\n'];
    slow.write(start);
    for (let i = 0; i < 20 && !slow.closed; i++) {
      slow.write(rest.slice(i % rest.length, (i % rest.length) + 1));
      await delay(20);
    }
    assert.equal((await silent.whenClosed(15_000)).code, 4103);
    slow.destroy();
  });

  it('keeps roles and hunts apart', async () => {
    const designer = await BareSocket.open(cluster.ws, { token: cluster.tokens.designer });
    designer.send({ t: 'sub', hunt });
    assert.equal((await designer.take('snap')).state.me, null);
    const refused = await designer.act(hunt, 1, { type: 'join' });
    assert.equal(refused.t === 'nack' && refused.code, 'FORBIDDEN');
    designer.send({ t: 'sub', hunt });
    assert.equal((await designer.take('err')).code, 'ALREADY_DONE');
    designer.close();

    const { hunt_id: other } = await cluster.createHunt(meadow(1));
    const player = await open();
    player.send({ t: 'sub', hunt: other });
    assert.equal((await player.take('err')).code, 'FORBIDDEN');
    const foreign = await player.act(other, 1, { type: 'join' });
    assert.equal(foreign.t === 'nack' && foreign.code, 'FORBIDDEN');
    const since = player.inbox.length;
    player.send({ t: 'unsub', hunt });
    assert.equal((await player.take('err', () => true, { since })).code, 'NOT_FOUND');
    player.close();

    const anywhere = await open('json', cluster.playerToken('*', freshPlayer('bot')));
    anywhere.send({ t: 'sub', hunt: 257 });
    assert.equal((await anywhere.take('err')).code, 'HUNT_NOT_FOUND');
    const nowhere = await anywhere.act(257, 1, { type: 'join' });
    assert.equal(nowhere.t === 'nack' && nowhere.code, 'HUNT_NOT_FOUND');
    anywhere.close();

    const foreignDesigner = await BareSocket.open(cluster.ws, {
      token: cluster.mint({ sub: 'stranger', role: 'designer' }),
    });
    foreignDesigner.send({ t: 'sub', hunt });
    assert.equal((await foreignDesigner.take('err')).code, 'FORBIDDEN');
    foreignDesigner.close();
  });

  it('closes the oldest of eleven sockets of one player with 4204', async () => {
    const token = cluster.playerToken(hunt, freshPlayer('many'));
    const sockets: BareSocket[] = [];
    for (let i = 0; i < 11; i++) sockets.push(await open('json', token));
    assert.equal((await (sockets[0] as BareSocket).whenClosed()).code, 4204);
    for (const socket of sockets.slice(1)) {
      assert.ok(socket.isOpen);
      socket.close();
    }
  });
});
