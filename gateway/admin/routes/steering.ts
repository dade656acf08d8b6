import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import type { z } from 'zod';
import { steeredAnswer } from '../answer-schemas.ts';
import { replyKeyed } from '../keyed-reply.ts';
import type { Operations } from '../operations/operations.ts';
import { type Steering, steerHunt, type Verb } from '../operations/steer-hunt.ts';
import { designersDoor, inHunt } from '../request-context.ts';
import { adjustBody, announceBody, disqualifyBody, extendBody, reasonBody, voidBody } from '../schemas.ts';

/** The verbs and what their bodies must be like; gRPC's SteerHunt checks by the same. */
export const verbBodies: Readonly<Record<Verb, z.ZodType>> = {
  open: reasonBody,
  pause: reasonBody,
  resume: reasonBody,
  close: reasonBody,
  extend: extendBody,
  adjust: adjustBody,
  void: voidBody,
  disqualify: disqualifyBody,
  announce: announceBody,
};

/** A designer's verbs on a hunt: `POST /v1/hunts/{id}/{verb}`. */
export const steeringRoutes =
  (ops: Operations): FastifyPluginAsyncZod =>
  async (app) => {
    for (const [verb, body] of Object.entries(verbBodies)) {
      app.post(
        `/v1/hunts/:id/${verb}`,
        {
          config: { door: designersDoor },
          schema: { summary: `${verb} a hunt`, tags: ['steering'], body, response: { 200: steeredAnswer } },
        },
        async (request, reply) => {
          const { caller, huntId } = inHunt(request);
          return await replyKeyed(ops, request, reply, (undertaking) =>
            steerHunt(ops, caller, huntId, { verb, body: request.body } as Steering, undertaking),
          );
        },
      );
    }
  };
