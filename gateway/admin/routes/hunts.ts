import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import {
  boardAnswer,
  createdAnswer,
  eventsAnswer,
  huntAnswer,
  listAnswer,
  publishedAnswer,
} from '../answer-schemas.ts';
import { parseDefinitionBodies } from '../body-parsers.ts';
import { replyKeyed } from '../keyed-reply.ts';
import { createHunt, type DefinitionSource, dryRun } from '../operations/create-hunt.ts';
import { listHunts } from '../operations/list-hunts.ts';
import type { Operations } from '../operations/operations.ts';
import { publishDefinition, shadowPublish } from '../operations/publish-definition.ts';
import { readEvents, showEvents } from '../operations/read-events.ts';
import { exportCsv, scoreboard, showHunt, showOwn } from '../operations/read-hunt.ts';
import { Problem } from '../problem.ts';
import { creatorsDoor, designersDoor, inHunt, playersDoor } from '../request-context.ts';
import { createQuery, eventsQuery, listQuery, scoreboardQuery, showQuery } from '../schemas.ts';

function sourceOf(body: unknown): DefinitionSource {
  const source = body as DefinitionSource | undefined;
  if (typeof source?.text !== 'string' || source.text.trim() === '')
    throw new Problem('INVALID', 'the body must be a hunt definition in JSON or YAML: it is empty');
  return source;
}

/** Creating hunts and publishing definitions, with bodies that stay text. */
export const definitionRoutes =
  (ops: Operations): FastifyPluginAsyncZod =>
  async (app) => {
    parseDefinitionBodies(app);
    app.post(
      '/v1/hunts',
      {
        config: { door: creatorsDoor },
        schema: {
          summary: 'Create a hunt from its definition',
          tags: ['hunts'],
          querystring: createQuery,
          consumes: ['application/json', 'application/yaml'],
          response: { 201: createdAnswer },
        },
      },
      async (request, reply) => {
        const source = sourceOf(request.body);
        return await replyKeyed(ops, request, reply, async (undertaking) =>
          request.query.dry_run === 'true'
            ? await dryRun(ops, source)
            : await createHunt(ops, request.caller as NonNullable<typeof request.caller>, source, undertaking),
        );
      },
    );

    app.put(
      '/v1/hunts/:id/definition',
      {
        config: { door: designersDoor },
        schema: {
          summary:
            "Publish the next version of a hunt's definition; dry run: decide its log again under it, and compare",
          tags: ['hunts'],
          querystring: createQuery,
          consumes: ['application/json', 'application/yaml'],
          response: { 200: publishedAnswer },
        },
      },
      async (request, reply) => {
        const { caller, huntId } = inHunt(request);
        const source = sourceOf(request.body);
        const { status, body } =
          request.query.dry_run === 'true'
            ? await shadowPublish(ops, huntId, source)
            : await publishDefinition(ops, caller, huntId, source);
        return await reply
          .code(status as 200)
          .serializer(JSON.stringify)
          .send(body);
      },
    );
  };

/** Reading hunts. */
export const huntRoutes =
  (ops: Operations): FastifyPluginAsyncZod =>
  async (app) => {
    app.get(
      '/v1/hunts',
      {
        config: { door: creatorsDoor },
        schema: {
          summary:
            "A page of the caller's hunts, or of all for an operator, the newest first; some moments behind the log",
          tags: ['hunts'],
          querystring: listQuery,
          response: { 200: listAnswer },
        },
      },
      async (request, reply) => {
        const { hunts, next } = await listHunts(
          ops,
          request.caller as NonNullable<typeof request.caller>,
          request.query,
        );
        return await reply.send({ hunts, next: next ?? null });
      },
    );

    app.get(
      '/v1/hunts/:id',
      {
        config: { door: playersDoor },
        schema: {
          summary: 'One hunt: whole for designers and operators, their own view for players',
          tags: ['hunts'],
          querystring: showQuery,
          response: { 200: huntAnswer },
        },
      },
      async (request, reply) => {
        const { caller, huntId } = inHunt(request);
        const { at_version: atVersion } = request.query;
        if (caller.role !== 'player')
          return await reply.serializer(JSON.stringify).send(await showHunt(ops, huntId, atVersion));
        if (atVersion !== undefined)
          throw new Problem('INVALID', 'at_version is for designers and operators: leave it out');
        return await reply.serializer(JSON.stringify).send(await showOwn(ops, caller, huntId));
      },
    );

    app.get(
      '/v1/hunts/:id/events',
      {
        config: { door: designersDoor },
        schema: {
          summary: "A page of the hunt's history",
          tags: ['hunts'],
          querystring: eventsQuery,
          response: { 200: eventsAnswer },
        },
      },
      async (request, reply) => {
        const { huntId } = inHunt(request);
        const page = await readEvents(ops, huntId, request.query);
        const events = showEvents(ops, page);
        return await reply.send({
          hunt_id: huntId,
          from: request.query.from,
          head: page.head,
          oldest: page.oldest,
          events,
          next: page.next ?? null,
        });
      },
    );

    app.get(
      '/v1/hunts/:id/scoreboard',
      {
        config: { door: playersDoor },
        schema: {
          summary: 'The scoreboard',
          tags: ['hunts'],
          querystring: scoreboardQuery,
          response: { 200: boardAnswer },
        },
      },
      async (request, reply) => {
        const { caller, huntId } = inHunt(request);
        return await reply.send(await scoreboard(ops, caller, huntId, request.query));
      },
    );

    app.get(
      '/v1/hunts/:id/export.csv',
      {
        config: { door: designersDoor },
        schema: {
          summary: 'One row an entrant',
          tags: ['hunts'],
          produces: ['text/csv'],
          response: { 200: z.string() },
        },
      },
      async (request, reply) => {
        const { huntId } = inHunt(request);
        const csv = await exportCsv(ops, huntId);
        return await reply
          .header('content-disposition', `attachment; filename="hunt-${huntId}.csv"`)
          .type('text/csv; charset=utf-8')
          .serializer(String)
          .send(csv);
      },
    );
  };
