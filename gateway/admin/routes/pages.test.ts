import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { FastifyInstance } from 'fastify';
import { buildAdmin } from '../admin.ts';
import { operationsOf } from '../operations/operations.ts';
import { ScriptedWorld } from '../scripted-world.ts';
import { packagedWebRoot } from './pages.ts';

describe('the web pages', () => {
  let app: FastifyInstance;
  before(async () => {
    app = await buildAdmin(operationsOf(new ScriptedWorld().ports()), { webRoot: packagedWebRoot() });
  });
  after(() => app.close());
  const get = (url: string) => app.inject({ method: 'GET', url });

  it('are served with a policy that allows no inline script and no foreign one', async () => {
    for (const path of ['/', '/play', '/play/K7Q4MX', '/console']) {
      const page = await get(path);
      assert.equal(page.statusCode, 200, `${path}: ${page.body}`);
      assert.match(String(page.headers['content-type']), /^text\/html/);
      assert.match(
        String(page.headers['content-security-policy']),
        /default-src 'none'; script-src 'self'; style-src 'self'/,
      );
      assert.doesNotMatch(page.body, /<script(?![^>]*src=)|\son\w+=|<style|style=/);
      assert.doesNotMatch(page.body, /(src|href)="(https?:)?\/\//, 'nothing is loaded from another host');
    }
  });

  it('find everything that they load', async () => {
    const seen = new Set<string>();
    const visit = async (path: string): Promise<void> => {
      if (seen.has(path)) return;
      seen.add(path);
      const asset = await get(path);
      assert.equal(asset.statusCode, 200, `${path}: ${asset.statusCode}`);
      const found = path.endsWith('.js')
        ? [...asset.body.matchAll(/(?:from|import)\s*\(?['"]([^'"]+)['"]/g)]
        : [...asset.body.matchAll(/(?:src|href)="([^"#]+)"/g)];
      for (const [, to] of found) {
        const url = new URL(to as string, `http://here${path}`);
        assert.ok(to?.startsWith('.') || to?.startsWith('/'), `${path} imports ${to}, which no browser can load`);
        if (url.pathname.startsWith('/assets/')) await visit(url.pathname);
      }
    };
    for (const path of ['/', '/play', '/console']) await visit(path);
    assert.ok(seen.has('/assets/sdk/hunt-session.js'), [...seen].join(' '));
  });

  it('name only elements that are there', () => {
    const root = packagedWebRoot();
    for (const name of readdirSync(root).filter((file) => /^(play|console)\.js$/.test(file))) {
      const html = readFileSync(join(root, name.replace('.js', '.html')), 'utf8');
      const script = readFileSync(join(root, name), 'utf8');
      for (const [, id] of script.matchAll(/find\('([^']+)'\)/g))
        assert.ok(html.includes(`id="${id}"`), `${name} looks for #${id}`);
    }
  });

  it('give problems for what is not there', async () => {
    for (const path of [
      '/assets/nothing.js',
      '/assets/../package.json',
      '/assets/%2e%2e/%2e%2e/package.json',
      '/assets/sdk/msgpack-codec.js',
      '/assets/',
    ]) {
      const answer = await get(path);
      assert.equal(answer.statusCode, 404, path);
      assert.equal(answer.json().code, 'NOT_FOUND', path);
    }
    const post = await app.inject({ method: 'POST', url: '/console' });
    assert.deepEqual([post.statusCode, post.json().code, post.headers.allow], [405, 'METHOD_NOT_ALLOWED', 'GET, HEAD']);
  });
});
