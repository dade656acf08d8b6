import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { systemClock } from '../../runtime/kernel/clock.ts';
import { systemRandom } from '../../runtime/kernel/random.ts';
import { ConfigError, loadConfig } from './config.ts';
import { mintingTokens, readTlsPair, readTokenKeys } from './secrets.ts';

const hunt = fileURLToPath(new URL('../cli/hunt.js', import.meta.url));

describe('the token keys of a configuration', () => {
  let cwd: string;
  const pair = generateKeyPairSync('ed25519');
  const publicKey = pair.publicKey.export({ format: 'jwk' });
  const privateKey = pair.privateKey.export({ format: 'jwk' });
  beforeEach(() => {
    cwd = mkdtempSync(join(tmpdir(), 'hunt-keys-'));
  });
  afterEach(() => rmSync(cwd, { recursive: true }));
  const file = (name: string, text: string): string => {
    writeFileSync(join(cwd, name), text);
    return join(cwd, name);
  };
  const load = (env: Record<string, string>) =>
    loadConfig('gateway', { env: { HUNT_DATA_DIR: join(cwd, 'data'), ...env }, cwd }).config;
  const faultOf = (run: () => unknown): string => {
    try {
      run();
    } catch (error) {
      assert.ok(error instanceof ConfigError, String(error));
      return error.message;
    }
    return assert.fail('it was accepted');
  };

  it('make tokens with a private key of the set, or with a key beside a public set', async () => {
    const closed = file('private.json', JSON.stringify({ keys: [privateKey] }));
    const open = file('public.json', JSON.stringify({ keys: [publicKey] }));
    const configs: Record<string, string>[] = [
      { HUNT_TOKEN_JWKS_FILE: closed },
      { HUNT_TOKEN_JWKS_FILE: open, HUNT_TOKEN_KEY: systemRandom.token(32) },
      { HUNT_TOKEN_JWKS_FILE: open, HUNT_TOKEN_KEY_FILE: file('key', systemRandom.token(32)) },
    ];
    for (const env of configs) {
      const tokens = mintingTokens(load(env), systemClock, systemRandom);
      const token = await tokens.mintToken({ sub: 'o', role: 'operator', expiresAt: Date.now() + 60_000 });
      assert.equal((await tokens.verifyToken(token))?.sub, 'o');
    }
  });

  it('are refused where tokens are handed out, but not where they are checked, when they can only verify', () => {
    const path = file('public.json', JSON.stringify({ keys: [publicKey] }));
    const config = load({ HUNT_TOKEN_JWKS_FILE: path });
    assert.match(
      faultOf(() => mintingTokens(config, systemClock, systemRandom)),
      /^HUNT_TOKEN_JWKS_FILE .*public\.json has public keys alone.*: add a private key/,
    );
    assert.ok(readTokenKeys(config).keySet);
  });

  it('are refused with the name of what is wrong', () => {
    const broken = file('broken.json', '{');
    assert.match(
      faultOf(() => readTokenKeys(load({ HUNT_TOKEN_JWKS_FILE: broken }))),
      /^\S+broken\.json: the JWKS file is not JSON/,
    );
    const short = file('short', 'abc');
    assert.match(
      faultOf(() => readTokenKeys(load({ HUNT_TOKEN_KEY_FILE: short }))),
      /^\S+short: the token key must be 32 bytes/,
    );
    assert.match(
      faultOf(() => readTokenKeys(load({ HUNT_TOKEN_KEY_FILE: join(cwd, 'none') }))),
      /none cannot be read \(ENOENT\): give HUNT_TOKEN_KEY/,
    );
    // A key file that was named is never passed over, key set or not.
    const set = file('public.json', JSON.stringify({ keys: [publicKey] }));
    assert.match(
      faultOf(() => readTokenKeys(load({ HUNT_TOKEN_JWKS_FILE: set, HUNT_TOKEN_KEY_FILE: join(cwd, 'none') }))),
      /none cannot be read/,
    );
  });

  for (const role of ['gateway', 'up']) {
    it(`that can only verify end "hunt ${role}" with exit code 2 and a sentence`, async () => {
      const path = file('public.json', JSON.stringify({ keys: [publicKey] }));
      const child = spawn(process.execPath, [hunt, role, '--data-dir', join(cwd, 'data')], {
        env: { ...process.env, HUNT_TOKEN_JWKS_FILE: path },
        stdio: ['ignore', 'ignore', 'pipe'],
      });
      let said = '';
      child.stderr.on('data', (bytes: Buffer) => {
        said += bytes.toString();
      });
      const code = await new Promise((resolve) => child.once('close', resolve));
      assert.equal(code, 2, said);
      assert.match(said, /INVALID: HUNT_TOKEN_JWKS_FILE .* public keys alone/);
    });
  }

  it('come with a TLS pair that is one, or are refused', () => {
    assert.equal(readTlsPair(load({})), undefined);
    const files = { HUNT_TLS_CERT: file('cert.pem', 'no certificate'), HUNT_TLS_KEY: file('key.pem', 'no key') };
    for (const env of [files, { ...files, HUNT_TLS_KEY: join(cwd, 'none') }])
      assert.match(
        faultOf(() => readTlsPair(load(env))),
        /^HUNT_TLS_CERT, HUNT_TLS_KEY: .*: name PEM files/,
      );
  });
});
