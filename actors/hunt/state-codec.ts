import type { StateCodec } from '../../runtime/define-actor.ts';
import type { HuntDefinition } from './definition.ts';
import type { Status } from './interface.ts';
import { rulebook } from './rulebook.ts';
import { Standings } from './standings.ts';
import {
  claimsOf,
  type Header,
  hintsOf,
  initialMember,
  type Mark,
  type Member,
  markStates,
  marksOf,
  type Progress,
} from './state.ts';

/** Headers and rows as plain values for msgpack: rows as arrays without names, for there are up to a million. */
export const headerCodec: StateCodec<Header> = {
  pack: (header) => [
    header.huntId,
    header.rules === undefined ? null : JSON.stringify(header.rules.definition),
    header.definitionVersion,
    header.owner,
    header.joinCode,
    header.lineage,
    header.status,
    header.openedAt,
    header.closesAt ?? null,
    header.players,
    header.teams,
    header.teamRows.map(({ id, name, size }) => [id, name, size]),
    [...header.treasures].map(([id, { claimed, found, released }]) => [id, claimed, found, released]),
    header.standings.pack(),
    [...header.voided],
    [...header.requests].map(([key, { version, events, at }]) => [key, version, events, at]),
  ],
  unpack(packed) {
    const [
      huntId,
      definition,
      definitionVersion,
      owner,
      joinCode,
      lineage,
      status,
      openedAt,
      closesAt,
      players,
      teams,
      teamRows,
      treasures,
      standings,
      voided,
      requests,
    ] = packed as PackedHeader;
    return {
      huntId,
      rules: definition === null ? undefined : rulebook(JSON.parse(definition) as HuntDefinition),
      definitionVersion,
      owner,
      joinCode,
      lineage,
      status,
      openedAt,
      closesAt: closesAt ?? undefined,
      players,
      teams,
      teamRows: teamRows.map(([id, name, size]) => ({ id, name, size })),
      treasures: new Map(treasures.map(([id, claimed, found, released]) => [id, { claimed, found, released }])),
      standings: Standings.unpack(standings),
      voided: new Set(voided),
      requests: new Map(requests.map(([key, version, events, at]) => [key, { version, events, at }])),
    };
  },
};

type PackedHeader = [
  number,
  string | null,
  number,
  string,
  string,
  string,
  Status,
  number,
  number | null,
  number,
  number,
  [string, string, number][],
  [string, number, boolean, boolean][],
  unknown,
  number[],
  [string, number, number, number][],
];

const presences = ['none', 'joined', 'left'] as const;

export const memberCodec: StateCodec<Member> = {
  pack: (member) =>
    member.kind === 'team'
      ? [1, member.name, member.pin, member.size, packProgress(member.progress)]
      : [
          0,
          member.name,
          presences.indexOf(member.presence),
          member.banned,
          member.team,
          member.formerTeam,
          member.lat,
          member.lon,
          member.placedAt,
          packProgress(member.progress),
        ],
  unpack(packed) {
    const row = packed as PackedTeam | PackedPlayer;
    if (row[0] === 1)
      return { kind: 'team', name: row[1], pin: row[2], size: row[3], progress: unpackProgress(row[4]) };
    const [, name, presence, banned, team, formerTeam, lat, lon, placedAt, progress] = row;
    return {
      kind: 'player',
      name,
      presence: presences[presence]!,
      banned,
      team,
      formerTeam,
      lat,
      lon,
      placedAt,
      progress: unpackProgress(progress),
    };
  },
};

type PackedTeam = [1, string, string, number, PackedProgress];
type PackedPlayer = [0, string, number, boolean, string, string, number, number, number, PackedProgress];
type PackedMark = [string, number, string, number, number, number];
type PackedProgress =
  | 0
  | [number, number, number, number, boolean, number, boolean, PackedMark[], (string | number)[], (string | number)[]];

function packProgress(progress: Progress): PackedProgress {
  const { created, since, points, reached, banned, finishedAt, settled, marks, hints, claims } = progress;
  if (created === 0) return 0;
  const packedMarks = [...marks].map(
    ([id, mark]): PackedMark => [
      id,
      markStates.indexOf(mark.state),
      mark.by,
      mark.settledAt,
      mark.used,
      mark.lockedUntil,
    ],
  );
  return [
    created,
    since,
    points,
    reached,
    banned,
    finishedAt,
    settled,
    packedMarks,
    [...hints].flat(),
    [...claims].flat(),
  ];
}

function unpackProgress(packed: PackedProgress): Progress {
  const progress = initialMember('').progress;
  if (packed === 0) return progress;
  const [created, since, points, reached, banned, finishedAt, settled, marks, hints, claims] = packed;
  Object.assign(progress, { created, since, points, reached, banned, finishedAt, settled });
  for (const [id, state, by, settledAt, used, lockedUntil] of marks)
    marksOf(progress).set(id, { state: markStates[state]!, by, settledAt, used, lockedUntil } satisfies Mark);
  if (hints.length > 0) counts(hints, hintsOf(progress));
  if (claims.length > 0) counts(claims, claimsOf(progress));
  return progress;
}

function counts(flat: readonly (string | number)[], into: Map<string, number>): void {
  for (let i = 0; i < flat.length; i += 2) into.set(flat[i] as string, flat[i + 1] as number);
}
