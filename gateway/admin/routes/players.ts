import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { actAnswer, joinedAnswer, playerAnswer } from '../answer-schemas.ts';
import { replyKeyed } from '../keyed-reply.ts';
import { act, actorOf } from '../operations/act.ts';
import { createPlayer, joinByCode } from '../operations/admit-player.ts';
import type { Operations } from '../operations/operations.ts';
import { designersDoor, inHunt, playersDoor } from '../request-context.ts';
import { actBody, joinBody, playersBody } from '../schemas.ts';

/** Players: tokens for them, and their actions for whoever has no socket. */
export const playerRoutes =
  (ops: Operations): FastifyPluginAsyncZod =>
  async (app) => {
    app.post(
      '/v1/hunts/:id/actions',
      {
        config: { door: playersDoor },
        schema: {
          summary: 'One action of a player, answered as on the socket',
          tags: ['players'],
          body: actBody,
          response: { 200: actAnswer },
        },
      },
      async (request, reply) => {
        const { caller, huntId } = inHunt(request);
        actorOf(caller, request.body.player);
        return await replyKeyed(ops, request, reply, () => act(ops, caller, huntId, request.body));
      },
    );

    app.post(
      '/v1/hunts/:id/players',
      {
        config: { door: designersDoor },
        schema: {
          summary: 'A token for a player',
          tags: ['players'],
          body: playersBody,
          response: { 201: playerAnswer },
        },
      },
      async (request, reply) => {
        const { huntId } = inHunt(request);
        return await replyKeyed(ops, request, reply, async (undertaking) => ({
          status: 201,
          body: await createPlayer(ops, huntId, request.body, undertaking),
        }));
      },
    );

    app.post(
      '/v1/join',
      {
        schema: { summary: 'A token by join code', tags: ['players'], body: joinBody, response: { 201: joinedAnswer } },
      },
      async (request, reply) => {
        // Before anything is written under an Idempotency-Key: guessing must not fill the log.
        ops.joinLimit.check(request.ip);
        return await replyKeyed(ops, request, reply, async (undertaking) => {
          const joined = await joinByCode(ops, request.ip, request.body, undertaking);
          return {
            status: 201,
            body: {
              ...joined,
              socket_url: `${request.protocol === 'https' ? 'wss' : 'ws'}://${request.host}/v1/socket`,
            },
          };
        });
      },
    );
  };
