import { existsSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import files from '@fastify/static';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';

/** gateway/web in this package, wherever the code was built to. */
export function packagedWebRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'package.json'))) {
    const above = dirname(folder);
    if (above === folder) throw new Error('no package.json above the gateway: the web pages cannot be found');
    folder = above;
  }
  return join(folder, 'gateway', 'web');
}

/** The pages need no external host and no inline script; pictures of clues may come from anywhere over https. */
function contentPolicy(request: FastifyRequest): string {
  const host = /^[A-Za-z0-9.:[\]-]+$/.test(request.host) ? ` ws://${request.host} wss://${request.host}` : '';
  return [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' https: data:",
    'media-src https:',
    `connect-src 'self'${host}`,
    "form-action 'self'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
  ].join('; ');
}

/** Modules of the client SDK that a browser cannot or need not load. */
const notForBrowsers = /^(msgpack-codec|scripted-server)\.js$|\.test\.js$/;
const modulePattern = /^[a-z-]+\.js$/;

/** `/`, `/play[/{code}]`, `/console` and what they are made of, below `/assets/`; the client SDK as it was built, below `/assets/sdk/`. */
export const pageRoutes = (webRoot: string) => async (app: FastifyInstance) => {
  app.addHook('onRequest', async (request, reply) => {
    reply.header('content-security-policy', contentPolicy(request));
    reply.header('referrer-policy', 'no-referrer');
    reply.header('permissions-policy', 'geolocation=(self)');
  });
  await app.register(files, { root: webRoot, prefix: '/assets/', wildcard: false, index: false, schemaHide: true });
  const sdkRoot = join(dirname(fileURLToPath(import.meta.url)), '..', '..', 'sdk');
  for (const name of readdirSync(sdkRoot)) {
    if (!modulePattern.test(name) || notForBrowsers.test(name)) continue;
    app.get(`/assets/sdk/${name}`, { schema: { hide: true } }, (_request, reply) => reply.sendFile(name, sdkRoot));
  }
  const page = (name: string) => (_request: FastifyRequest, reply: FastifyReply) => reply.sendFile(name);
  app.get('/', { schema: { hide: true } }, page('index.html'));
  app.get('/console', { schema: { hide: true } }, page('console.html'));
  app.get('/play', { schema: { hide: true } }, page('play.html'));
  app.get('/play/:code', { schema: { hide: true } }, page('play.html'));
};
