/** The Admin service, one for one with HTTP: the same operations, read from and written to the proto messages. */
import { createHash } from 'node:crypto';
import { isErrorCode } from '../../proto/error-code.ts';
import {
  AdminService,
  CreateHuntRequest,
  CreatePlayerRequest,
  GetHuntRequest,
  type HuntRow,
  JoinRequest,
  ListEventsRequest,
  ListHuntsRequest,
  ScoreboardRequest,
  SteerRequest,
} from '../../proto/generated/hunt/v1/admin.ts';
import { authenticate, type Door, passDoor } from '../admin/authorize.ts';
import { definitionBytesMax } from '../admin/body-parsers.ts';
import type { Answer } from '../admin/idempotency.ts';
import { judge } from '../admin/judge.ts';
import { createPlayer, joinByCode } from '../admin/operations/admit-player.ts';
import { createHunt, dryRun } from '../admin/operations/create-hunt.ts';
import { listHunts } from '../admin/operations/list-hunts.ts';
import type { Operations } from '../admin/operations/operations.ts';
import { readEvents } from '../admin/operations/read-events.ts';
import { scoreboard, showHunt, showOwn } from '../admin/operations/read-hunt.ts';
import { type Steering, steerHunt } from '../admin/operations/steer-hunt.ts';
import { Problem } from '../admin/problem.ts';
import { creatorsDoor, designersDoor, operatorsDoor, playersDoor } from '../admin/request-context.ts';
import { verbBodies } from '../admin/routes/steering.ts';
import { eventsRowsMax, joinBody, listQuery, pageRowsDefault, pageRowsMax, playersBody } from '../admin/schemas.ts';
import type { Claims } from '../token/claims.ts';
import { clusterRpcs } from './cluster-rpcs.ts';
import { decode, type Rpc, type RpcCall } from './rpc.ts';

/** By method, as {@link AdminService} names them. */
export function adminRpcs(ops: Operations): Record<keyof typeof AdminService, Rpc> {
  const enter = async (call: RpcCall, door: Door, huntId?: number): Promise<Claims> => {
    const caller = await authenticate(ops.ports.tokens, call.authorization);
    await passDoor(caller, door, ops.directory, huntId === undefined ? undefined : String(huntId));
    return caller;
  };
  const keyed = async (
    call: RpcCall,
    method: keyof typeof AdminService,
    key: string,
    subject: string,
    run: Parameters<Operations['idempotency']['once']>[1],
  ): Promise<Record<string, never>> => {
    const bodyHash = createHash('sha256').update(call.request).digest();
    const answer = await ops.idempotency.once(
      {
        key: key || undefined,
        method: 'gRPC',
        path: AdminService[method].path,
        subject,
        bodyHash,
        instance: ops.ports.random.token(9),
      },
      run,
    );
    return successOf(answer) as Record<string, never>;
  };
  return {
    createHunt: async (call) => {
      const request = decode(CreateHuntRequest, call.request);
      const caller = await enter(call, creatorsDoor);
      if (Buffer.byteLength(request.definition) > definitionBytesMax)
        throw new Problem('TOO_LARGE', 'the definition is too large: 1 MiB is allowed');
      const source = { text: request.definition, format: request.yaml ? ('yaml' as const) : ('json' as const) };
      const body = await keyed(call, 'createHunt', request.idempotencyKey, caller.sub, async (undertaking) =>
        request.dryRun ? await dryRun(ops, source) : await createHunt(ops, caller, source, undertaking),
      );
      return {
        huntId: body.hunt_id ?? 0,
        joinCode: body.join_code ?? '',
        slot: body.slot ?? 0,
        status: body.status ?? '',
        version: body.version ?? 0,
        warnings: body.warnings ?? [],
      };
    },
    listHunts: async (call) => {
      const request = decode(ListHuntsRequest, call.request);
      const caller = await enter(call, creatorsDoor);
      const query = judge(listQuery, {
        status: request.status,
        q: request.q,
        cursor: request.cursor,
        limit: request.limit === 0 ? undefined : String(request.limit),
      });
      const { hunts, next } = await listHunts(ops, caller, query);
      return { hunts: hunts.map(rowOf), next: next ?? '' };
    },
    getHunt: async (call) => {
      const request = decode(GetHuntRequest, call.request);
      const caller = await enter(call, playersDoor, request.huntId);
      if (caller.role === 'player') {
        if (request.atVersion !== 0)
          throw new Problem('INVALID', 'at_version is for designers and operators: leave it out');
        const own = (await showOwn(ops, caller, request.huntId)) as {
          version: number;
          lineage: string;
          state: { hunt?: { title?: string; status?: string; definition_version?: number } };
        };
        const hunt = rowOf({
          hunt_id: request.huntId,
          title: own.state.hunt?.title ?? '',
          status: own.state.hunt?.status ?? '',
          version: own.version,
        });
        return {
          hunt,
          slot: request.huntId % 256,
          definitionVersion: own.state.hunt?.definition_version ?? 0,
          definitionJson: '',
          stateJson: JSON.stringify(own.state),
          lineage: own.lineage,
        };
      }
      const show = await showHunt(ops, request.huntId, request.atVersion === 0 ? undefined : request.atVersion);
      return {
        hunt: rowOf(show),
        slot: show.slot,
        definitionVersion: show.definition_version,
        definitionJson: JSON.stringify(show.definition),
        stateJson: JSON.stringify(show.state),
        lineage: show.lineage,
      };
    },
    listEvents: async (call) => {
      const request = decode(ListEventsRequest, call.request);
      await enter(call, designersDoor, request.huntId);
      const page = await readEvents(ops, request.huntId, {
        from: request.from,
        limit: limitOf(request.limit, eventsRowsMax),
      });
      return { huntId: request.huntId, events: page.events, next: page.next ?? 0, head: page.head };
    },
    getScoreboard: async (call) => {
      const request = decode(ScoreboardRequest, call.request);
      const caller = await enter(call, playersDoor, request.huntId);
      const board = await scoreboard(ops, caller, request.huntId, {
        limit: limitOf(request.limit, pageRowsMax),
        offset: request.offset,
      });
      const entries = board.entries.map((row) => ({
        rank: row.rank,
        player: row.player ?? '',
        team: row.team ?? '',
        name: row.name,
        points: row.points,
        finishedAt: row.finished_at ?? 0,
        reachedVersion: row.reached_version,
      }));
      return { huntId: request.huntId, version: board.version, entrants: board.entrants, entries };
    },
    steerHunt: async (call) => {
      const request = decode(SteerRequest, call.request);
      const caller = await enter(call, designersDoor, request.huntId);
      const steering = steeringOf(request);
      const body = await keyed(call, 'steerHunt', request.idempotencyKey, caller.sub, (undertaking) =>
        steerHunt(ops, caller, request.huntId, steering, undertaking),
      );
      return {
        huntId: request.huntId,
        version: body.version ?? 0,
        status: body.status ?? '',
        closesAt: body.closes_at ?? 0,
        total: body.total ?? 0,
      };
    },
    createPlayer: async (call) => {
      const request = decode(CreatePlayerRequest, call.request);
      await enter(call, designersDoor, request.huntId);
      const body = judge(playersBody, { player: request.player || undefined, name: request.name || undefined });
      return tokenOf(await createPlayer(ops, request.huntId, body, { minted: mintedOnce(ops) }));
    },
    join: async (call) => {
      const body = judge(joinBody, decode(JoinRequest, call.request));
      return tokenOf(await joinByCode(ops, call.address, body, { minted: mintedOnce(ops) }));
    },
    ...clusterRpcs(ops, (call) => enter(call, operatorsDoor)),
  };
}

const mintedOnce = (ops: Operations) => ({ hunt_id: 0, seed: ops.ports.random.token(18) });

function limitOf(limit: number, max: number): number {
  if (limit > max) throw new Problem('INVALID', `limit must be a whole number from 1 to ${max}`);
  return limit === 0 ? pageRowsDefault : limit;
}

/** The fields that are set make the body that HTTP would have had. */
function steeringOf(request: SteerRequest): Steering {
  const { verb } = request;
  if (!Object.hasOwn(verbBodies, verb))
    throw new Problem('INVALID', `verb must be one of ${Object.keys(verbBodies).join(', ')}`);
  const body = {
    ...(request.reason === '' ? {} : { reason: request.reason }),
    ...(request.closesAt === 0 ? {} : { closes: timeText(request.closesAt) }),
    ...(request.minutes === 0 ? {} : { minutes: request.minutes }),
    ...(request.player === '' ? {} : { player: request.player }),
    ...(request.team === '' ? {} : { team: request.team }),
    ...(request.version === 0 ? {} : { version: request.version }),
    ...(request.text === '' ? {} : { text: request.text }),
    points: request.points,
  };
  return { verb, body: judge(verbBodies[verb as Steering['verb']], body) } as Steering;
}

function timeText(ms: number): string {
  const time = new Date(ms);
  if (Number.isNaN(time.getTime()) || ms < 0 || time.getUTCFullYear() > 9999)
    throw new Problem('INVALID', 'closes_at must be ms since 1970, before the year 10000');
  return time.toISOString();
}

/** A refusal that was kept under a key is one again. */
function successOf(answer: Answer): object {
  if (answer.status < 400) return answer.body;
  const { code, detail, errors } = answer.body as {
    code?: string;
    detail?: string;
    errors?: { path: string; message: string }[];
  };
  throw new Problem(
    code !== undefined && isErrorCode(code) ? code : 'INTERNAL',
    detail ?? 'refused',
    errors === undefined ? {} : { errors },
  );
}

const tokenOf = (admitted: { hunt_id: number; player_id: string; token: string; expires_at: number }) => ({
  huntId: admitted.hunt_id,
  playerId: admitted.player_id,
  token: admitted.token,
  expiresAt: admitted.expires_at,
});

function rowOf(show: {
  hunt_id: number;
  title: string;
  status: string;
  version: number;
  join_code?: string;
  opens_at?: number;
  closes_at?: number;
  players?: number;
  owner?: string;
}): HuntRow {
  return {
    huntId: show.hunt_id,
    title: show.title,
    status: show.status,
    joinCode: show.join_code ?? '',
    opensAt: show.opens_at ?? 0,
    closesAt: show.closes_at ?? 0,
    players: show.players ?? 0,
    version: show.version,
    owner: show.owner ?? '',
  };
}
