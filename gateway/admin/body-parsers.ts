import { createHash } from 'node:crypto';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { DefinitionSource } from './operations/create-hunt.ts';
import { Problem } from './problem.ts';

export const bodyBytesMax = 64 * 1024;
export const definitionBytesMax = 1024 * 1024;

const utf8 = new TextDecoder('utf-8', { fatal: true });

function textOf(request: FastifyRequest, body: Buffer): string {
  const encoding = request.headers['content-encoding'] ?? 'identity';
  if (encoding !== 'identity')
    throw new Problem('UNSUPPORTED_MEDIA', 'compressed bodies are not read: leave Content-Encoding out');
  request.bodyHash = createHash('sha256').update(body).digest();
  try {
    return utf8.decode(body);
  } catch {
    throw new Problem('INVALID', 'the body is not well-formed UTF-8');
  }
}

/** JSON bodies; an empty one counts as `{}`. */
export function parseJsonBodies(app: FastifyInstance): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser(
    'application/json',
    { parseAs: 'buffer', bodyLimit: bodyBytesMax },
    async (request: FastifyRequest, body: Buffer) => {
      const text = textOf(request, body);
      if (text.trim() === '') return {};
      try {
        return JSON.parse(text) as unknown;
      } catch {
        throw new Problem('INVALID', 'the body is not well-formed JSON');
      }
    },
  );
}

/** Definitions stay text: what is wrong with them, duplicate keys too, the definition's own parser says. */
export function parseDefinitionBodies(app: FastifyInstance): void {
  app.removeAllContentTypeParsers();
  for (const format of ['json', 'yaml'] as const) {
    app.addContentTypeParser(
      `application/${format}`,
      { parseAs: 'buffer', bodyLimit: definitionBytesMax },
      async (request: FastifyRequest, body: Buffer): Promise<DefinitionSource> => ({
        text: textOf(request, body),
        format,
      }),
    );
  }
}
