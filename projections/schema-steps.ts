import { slotKeys } from './slot-key.ts';

/**
 * The schema, forward only: a step is never changed once it was released, another is added. The same SQL makes plain and
 * Citus tables; what Citus needs beside it is in `citus.ts`.
 */
export interface SchemaStep {
  readonly number: number;
  readonly what: string;
  readonly sql: readonly string[];
}

/** Ties a row to its shard, so that a mistaken `slot_key` cannot get in. */
const slotKeyCheck = `CHECK (slot_key = ('{${slotKeys.join(',')}}'::smallint[])[(hunt_id % 256)::integer + 1])`;
/** Rows that are updated again and again find room for it on their own page. */
const updated = 'WITH (fillfactor = 70)';

export const schemaSteps: readonly SchemaStep[] = [
  {
    number: 1,
    what: 'the tables of hunts, players, treasures, checkpoints and the catalog',
    sql: [
      `CREATE TABLE hunt_snapshot (
        slot_key smallint NOT NULL,
        hunt_id bigint NOT NULL,
        generation integer NOT NULL,
        version bigint NOT NULL,
        title text NOT NULL,
        status text NOT NULL,
        owner text NOT NULL,
        join_code text NOT NULL,
        lineage text NOT NULL,
        entry text NOT NULL,
        definition_version integer NOT NULL,
        opens_at timestamptz,
        opened_at timestamptz,
        closes_at timestamptz,
        created_at timestamptz,
        updated_at timestamptz,
        players bigint NOT NULL,
        teams bigint NOT NULL,
        entrants bigint NOT NULL,
        definition text NOT NULL,
        header bytea NOT NULL,
        CONSTRAINT hunt_snapshot_pkey PRIMARY KEY (slot_key, hunt_id),
        CONSTRAINT hunt_snapshot_slot ${slotKeyCheck}
      ) ${updated}`,
      `CREATE TABLE hunt_player (
        slot_key smallint NOT NULL,
        hunt_id bigint NOT NULL,
        member_id text NOT NULL,
        generation integer NOT NULL,
        version bigint NOT NULL,
        kind text NOT NULL,
        name text NOT NULL,
        team text NOT NULL,
        presence text NOT NULL,
        banned boolean NOT NULL,
        ranked boolean NOT NULL,
        points bigint NOT NULL,
        reached_version bigint NOT NULL,
        stages_done integer NOT NULL,
        stages_settled integer NOT NULL,
        hints bigint NOT NULL,
        claims bigint NOT NULL,
        joined_at timestamptz,
        finished_at timestamptz,
        updated_at timestamptz,
        row bytea NOT NULL,
        CONSTRAINT hunt_player_pkey PRIMARY KEY (slot_key, hunt_id, member_id),
        CONSTRAINT hunt_player_slot ${slotKeyCheck}
      ) ${updated}`,
      `CREATE TABLE hunt_treasure (
        slot_key smallint NOT NULL,
        hunt_id bigint NOT NULL,
        treasure_id text NOT NULL,
        generation integer NOT NULL,
        version bigint NOT NULL,
        title text NOT NULL,
        points bigint NOT NULL,
        stage text NOT NULL,
        stock bigint,
        claimed bigint NOT NULL,
        found boolean NOT NULL,
        released boolean NOT NULL,
        defined boolean NOT NULL,
        opens_at timestamptz,
        updated_at timestamptz,
        CONSTRAINT hunt_treasure_pkey PRIMARY KEY (slot_key, hunt_id, treasure_id),
        CONSTRAINT hunt_treasure_slot ${slotKeyCheck}
      ) ${updated}`,
      `CREATE TABLE projection_checkpoint (
        slot_key smallint NOT NULL CONSTRAINT projection_checkpoint_pkey PRIMARY KEY,
        slot smallint NOT NULL,
        position bigint NOT NULL,
        generation integer NOT NULL,
        base_generation integer NOT NULL,
        rebuild_to bigint,
        events bigint NOT NULL,
        at timestamptz
      ) ${updated}`,
      `CREATE TABLE projection_parked (
        slot_key smallint NOT NULL,
        hunt_id bigint NOT NULL,
        kind text NOT NULL,
        generation integer NOT NULL,
        version bigint NOT NULL,
        reason text NOT NULL,
        at timestamptz,
        CONSTRAINT projection_parked_pkey PRIMARY KEY (slot_key, hunt_id),
        CONSTRAINT projection_parked_slot ${slotKeyCheck}
      )`,
      `CREATE TABLE IF NOT EXISTS hunt_catalog (
        hunt_id bigint NOT NULL CONSTRAINT hunt_catalog_pkey PRIMARY KEY,
        slot smallint NOT NULL,
        generation integer NOT NULL,
        version bigint NOT NULL,
        title text NOT NULL,
        status text NOT NULL,
        owner text NOT NULL,
        join_code text NOT NULL,
        opens_at timestamptz,
        closes_at timestamptz,
        created_at timestamptz,
        players bigint NOT NULL,
        search text NOT NULL
      ) ${updated}`,
      'CREATE INDEX IF NOT EXISTS hunt_catalog_owner ON hunt_catalog (owner, hunt_id)',
      'CREATE INDEX IF NOT EXISTS hunt_catalog_status ON hunt_catalog (status, hunt_id)',
      'CREATE INDEX IF NOT EXISTS hunt_catalog_owner_status ON hunt_catalog (owner, status, hunt_id)',
      'CREATE INDEX IF NOT EXISTS hunt_catalog_slot ON hunt_catalog (slot, hunt_id)',
      // Few at any time: what the clock has opened or closed and the log has not yet.
      "CREATE INDEX IF NOT EXISTS hunt_catalog_opens ON hunt_catalog (opens_at) WHERE status = 'scheduled'",
      "CREATE INDEX IF NOT EXISTS hunt_catalog_closes ON hunt_catalog (closes_at) WHERE status <> 'closed'",
    ],
  },
];

/** Distributed by `slot_key`, all colocated with the first. */
export const distributedTables = [
  'hunt_snapshot',
  'hunt_player',
  'hunt_treasure',
  'projection_checkpoint',
  'projection_parked',
] as const;
export const catalogTable = 'hunt_catalog';
