import assert from 'node:assert/strict';
import { createHmac, generateKeyPairSync } from 'node:crypto';
import { systemRandom } from '../../runtime/kernel/random.ts';
import { claimsHunt } from './claims.ts';
import { parseKeySet, parseTokenKey, TokenKeyError } from './token-key.ts';
import { bearerOf, skewMs, Tokens } from './tokens.ts';

const key = new Uint8Array(32).fill(7);
const enc = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
const start = Date.UTC(2026, 5, 6, 10);

function sign(
  claims: object,
  { header = { alg: 'HS256', typ: 'JWT' }, secret = key as Uint8Array, signature = true } = {},
): string {
  const head = `${enc(header)}.${enc({ iss: 'hunt', aud: 'hunt', iat: start / 1000, exp: start / 1000 + 3600, ...claims })}`;
  return `${head}.${signature ? createHmac('sha256', secret).update(head).digest('base64url') : ''}`;
}

describe('Tokens', () => {
  let now = start;
  const clock = { now: () => now, monotonic: () => now };
  const tokens = new Tokens(clock, systemRandom, { key });
  beforeEach(() => {
    now = start;
  });

  it('verifies what it minted, and knows role, hunt, name and expiry', async () => {
    const token = await tokens.mintToken({
      sub: 'anna',
      role: 'player',
      hunt: 77,
      name: 'Anna',
      expiresAt: start + 60_000,
    });
    assert.deepEqual(await tokens.verifyToken(token), {
      sub: 'anna',
      role: 'player',
      hunt: 77,
      name: 'Anna',
      exp: start + 60_000,
    });
  });

  it('takes a token signed elsewhere with the same key', async () => {
    assert.equal((await tokens.verifyToken(sign({ sub: 'o', role: 'operator' })))?.role, 'operator');
    assert.deepEqual((await tokens.verifyToken(sign({ sub: 'p', role: 'player', hunt: [1, 2] })))?.hunt, [1, 2]);
    assert.equal((await tokens.verifyToken(sign({ sub: 'p', role: 'player', hunt: '*' })))?.hunt, '*');
  });

  const bad: [string, string][] = [
    [
      'no signature (alg none)',
      sign({ sub: 'x', role: 'operator' }, { header: { alg: 'none', typ: 'JWT' }, signature: false }),
    ],
    ['alg none with a signature', sign({ sub: 'x', role: 'operator' }, { header: { alg: 'none', typ: 'JWT' } })],
    ['another algorithm', sign({ sub: 'x', role: 'operator' }, { header: { alg: 'HS512', typ: 'JWT' } })],
    ['another key', sign({ sub: 'x', role: 'operator' }, { secret: new Uint8Array(32).fill(8) })],
    ['another issuer', sign({ sub: 'x', role: 'operator', iss: 'other' })],
    ['another audience', sign({ sub: 'x', role: 'operator', aud: 'other' })],
    ['no exp', sign({ sub: 'x', role: 'operator', exp: undefined })],
    ['no sub', sign({ role: 'operator' })],
    ['a sub that is no id', sign({ sub: '@admin', role: 'operator' })],
    ['an unknown role', sign({ sub: 'x', role: 'root' })],
    ['a player without hunt', sign({ sub: 'x', role: 'player' })],
    ['a player with a hunt that is no number', sign({ sub: 'x', role: 'player', hunt: '7' })],
    ['a player with 101 hunts', sign({ sub: 'x', role: 'player', hunt: Array.from({ length: 101 }, (_, i) => i + 1) })],
    ['nbf in the future', sign({ sub: 'x', role: 'operator', nbf: start / 1000 + 3000 })],
    ['no token at all', 'nonsense'],
    ['an empty string', ''],
    ['a very long one', `${'a'.repeat(9000)}.b.c`],
  ];
  for (const [what, token] of bad) {
    it(`refuses ${what}`, async () => assert.equal(await tokens.verifyToken(token), undefined));
  }

  it('forgives 30 s of skew and refuses later, also from its cache', async () => {
    const token = sign({ sub: 'x', role: 'operator' });
    now = start + 3_600_000 + skewMs - 1000;
    assert.notEqual(await tokens.verifyToken(token), undefined);
    now = start + 3_600_000 + skewMs;
    assert.equal(await tokens.verifyToken(token), undefined);
    assert.equal(await tokens.verifyToken(token), undefined);
  });

  it('takes EdDSA and RS256 by a key set, and never a public key as a secret', async () => {
    for (const [type, options] of [
      ['ed25519', {}],
      ['rsa', { modulusLength: 2048 }],
    ] as const) {
      const pair =
        type === 'rsa'
          ? generateKeyPairSync('rsa', options as { modulusLength: number })
          : generateKeyPairSync('ed25519');
      const jwk = { ...pair.privateKey.export({ format: 'jwk' }), kid: 'k1' };
      const publicText = JSON.stringify({ keys: [{ ...pair.publicKey.export({ format: 'jwk' }), kid: 'k1' }] });
      const signer = new Tokens(clock, systemRandom, { keySet: parseKeySet(JSON.stringify({ keys: [jwk] })) });
      const verifier = new Tokens(clock, systemRandom, { keySet: parseKeySet(publicText) });
      const token = await signer.mintToken({ sub: 'd', role: 'designer', expiresAt: start + 60_000 });
      assert.equal((await verifier.verifyToken(token))?.sub, 'd');
      assert.equal((await signer.verifyToken(token))?.sub, 'd');
      assert.equal(verifier.mints, false);
      assert.equal(await tokens.verifyToken(token), undefined);
      assert.equal(
        await verifier.verifyToken(sign({ sub: 'x', role: 'operator' }, { secret: Buffer.from(publicText) })),
        undefined,
      );
    }
    assert.throws(() => parseKeySet(JSON.stringify({ keys: [{ kty: 'oct', k: 'AAAA' }] })), TokenKeyError);
  });

  it('reads a key of 32 bytes in base64url and nothing else', () => {
    assert.deepEqual(parseTokenKey(`${Buffer.from(key).toString('base64url')}\n`), key);
    assert.deepEqual(parseTokenKey(`${Buffer.from(key).toString('base64url')}=`), key);
    for (const text of ['', 'abc', Buffer.alloc(31).toString('base64url'), 'x'.repeat(100)])
      assert.throws(() => parseTokenKey(text), TokenKeyError);
  });

  it('finds the bearer in a header', () => {
    assert.equal(bearerOf('Bearer a.b.c'), 'a.b.c');
    assert.equal(bearerOf('bearer a.b.c'), 'a.b.c');
    for (const header of [undefined, '', 'Basic abc', 'Bearer', 'Bearer a b'])
      assert.equal(bearerOf(header), undefined);
  });

  it('judges the hunt claim', () => {
    const player = { sub: 'p', role: 'player', exp: 0 } as const;
    assert.ok(claimsHunt({ ...player, hunt: 5 }, 5));
    assert.ok(!claimsHunt({ ...player, hunt: 5 }, 6));
    assert.ok(claimsHunt({ ...player, hunt: [4, 6] }, 6));
    assert.ok(claimsHunt({ ...player, hunt: '*' }, 6));
    assert.ok(claimsHunt({ sub: 'd', role: 'designer', exp: 0 }, 6));
  });
});
