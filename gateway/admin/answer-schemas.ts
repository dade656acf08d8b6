/** What answers look like, for the OpenAPI document alone: answers are not checked against these when they leave. */
import { z } from 'zod';

/** Hides the shape from the compiler: what the handlers send has types of its own. */
const documented = (schema: z.ZodType): z.ZodType<unknown> => schema;

const status = z.enum(['draft', 'scheduled', 'open', 'paused', 'closed']);
const integer = z.int().meta({ minimum: undefined, maximum: undefined });
const boardRow = z.looseObject({
  rank: integer,
  player: z.string().optional(),
  team: z.string().optional(),
  name: z.string(),
  points: integer,
  finished_at: integer.optional(),
  reached_version: integer,
});

export const createdAnswer = documented(
  z.looseObject({ hunt_id: integer, join_code: z.string(), slot: integer, status, version: integer }),
);
/** `version` and `definition_version` of a published one; the rest of a dry run. */
export const publishedAnswer = documented(
  z.looseObject({
    hunt_id: integer,
    version: integer.optional(),
    definition_version: integer.optional(),
    warnings: z.array(z.string()).optional(),
    events: integer.optional(),
    differences: z
      .array(
        z.looseObject({
          version: integer,
          player: z.string(),
          was: z.string(),
          would_be: z.string(),
          points_was: integer.optional(),
          points_would_be: integer.optional(),
        }),
      )
      .optional(),
    more: integer.optional(),
    ranks: z
      .array(
        z.looseObject({
          player: z.string().optional(),
          team: z.string().optional(),
          was: integer.optional(),
          would_be: integer.optional(),
        }),
      )
      .optional(),
    refused: z.looseObject({ code: z.string(), message: z.string() }).optional(),
  }),
);
export const listAnswer = documented(
  z.looseObject({
    hunts: z.array(
      z.looseObject({
        hunt_id: integer,
        title: z.string(),
        status,
        join_code: z.string(),
        opens_at: integer.optional(),
        closes_at: integer.optional(),
        players: integer,
        version: integer,
        owner: z.string(),
      }),
    ),
    next: z.string().nullable(),
  }),
);
export const huntAnswer = documented(
  z.looseObject({ hunt_id: integer, version: integer, lineage: z.string(), state: z.looseObject({}) }),
);
export const eventsAnswer = documented(
  z.looseObject({
    hunt_id: integer,
    from: integer,
    head: integer,
    oldest: integer,
    events: z.array(
      z.looseObject({
        version: integer,
        player: z.string(),
        type: z.string(),
        at: integer,
        vector: z.record(z.string(), integer),
      }),
    ),
    next: integer.nullable(),
  }),
);
export const boardAnswer = documented(
  z.looseObject({ hunt_id: integer, version: integer, entrants: integer, entries: z.array(boardRow) }),
);
export const steeredAnswer = documented(
  z.looseObject({
    hunt_id: integer,
    version: integer,
    status: status.optional(),
    closes_at: integer.optional(),
    total: integer.optional(),
  }),
);
export const actAnswer = documented(
  z.looseObject({
    ack: z.looseObject({
      seq: integer,
      hunt: integer,
      version: integer,
      events: integer,
      result: z.looseObject({}),
      duplicate: z.boolean().optional(),
    }),
  }),
);
const player = z.looseObject({ hunt_id: integer, player_id: z.string(), token: z.string(), expires_at: integer });
export const playerAnswer = documented(player);
export const joinedAnswer = documented(player.extend({ title: z.string(), status, socket_url: z.string() }));
const operation = z.looseObject({
  id: z.string(),
  kind: z.enum(['apply', 'drain', 'join']),
  state: z.enum(['canary', 'running', 'done', 'failed', 'rolled_back']),
  moves_total: integer,
  moves_done: integer,
  stall_ms_max: z.number(),
  started_at: integer,
  ended_at: integer.optional(),
  node: z.string().optional(),
  error: z.string().optional(),
  by: z.string(),
  reason: z.string(),
  moves: z
    .array(z.looseObject({ slot: integer, from: z.string(), to: z.string(), state: z.string(), reason: z.string() }))
    .optional(),
});
const freeze = z.looseObject({ reason: z.string(), by: z.string(), until: integer });
export const operationAnswer = documented(operation);
export const frozenAnswer = documented(z.looseObject({ frozen: freeze.nullable() }));
export const planAnswer = documented(
  z.looseObject({
    plan_id: z.string(),
    view: integer,
    moves: z.array(
      z.looseObject({
        slot: integer,
        from: z.string(),
        to: z.string(),
        reason: z.string(),
        bytes: integer,
        stall_ms: z.number(),
      }),
    ),
    slots_after: z.record(z.string(), integer),
    imbalance_after: z.number(),
  }),
);
export const clusterHistoryAnswer = documented(
  z.looseObject({
    events: z.array(
      z.looseObject({ view: integer, type: z.string(), at: integer, by: z.string(), reason: z.string() }),
    ),
    next: integer.nullable(),
  }),
);
export const clusterAnswer = documented(
  z.looseObject({
    cluster: z.string(),
    profile: z.string(),
    view: integer,
    frozen: freeze.nullable(),
    nodes: z.array(z.looseObject({ id: z.string(), state: z.string(), slots: integer })),
    owners: z.array(z.string()),
    epochs: z.array(integer),
    pins: z.record(z.string(), z.string()),
    operations: z.array(operation),
    parked: z.array(z.looseObject({ node: z.string(), hunt: z.string(), code: z.string(), message: z.string() })),
    unserved: z.array(z.looseObject({ node: z.string(), slot: integer, for_ms: integer, reason: z.string() })),
    moving: z.record(z.string(), z.string()),
  }),
);
export const healthAnswer = documented(z.looseObject({ status: z.string() }));
export const readinessAnswer = documented(
  z.looseObject({
    status: z.string(),
    checks: z.array(z.looseObject({ name: z.string(), ok: z.boolean(), detail: z.string().optional() })),
  }),
);
