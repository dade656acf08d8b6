/**
 * The three streams of a cluster: created at the start if they are absent, compared if they are there. What differs is
 * said, not changed: an operator may have had a reason, or two clusters may have been given one name.
 *
 * JetStream must never let go of a record by itself: history leaves the log only when the archive has it (I8). So the log
 * has no age, no count and no size (log-gauge.ts says why no size): an age of 24 h is the archiver's, who trims; a size is
 * kept by those who append. Pages are disposable, so there the oldest goes.
 */
import { isDeepStrictEqual } from 'node:util';
import { errorCode } from './jetstream-answer.ts';
import type { JetStreamApi } from './jetstream-api.ts';
import type { Names } from './names.ts';

export const logBytesMaxDefault = 2 * 1024 ** 3;
export const pageBytesMaxDefault = 1024 ** 3;
/** 512 small messages, with room for those that are being replaced. */
export const slotBytesMax = 4 * 1024 ** 2;
/** An append is sent again within seconds; beyond, the comparison of sequences finds it. A longer window costs memory and slow starts. */
const duplicateWindowNs = 20_000_000_000;

export interface StreamOptions {
  /** How much unarchived history the log should hold; beyond, appends are refused as full. */
  readonly logBytesMax?: number;
  /** Beyond, the pages that were written least recently are lost and rebuilt from the log when they are needed. */
  readonly pageBytesMax?: number;
  /** Servers that hold each stream: 1, 3 or 5. */
  readonly replicas?: number;
}

type StreamConfig = Readonly<Record<string, unknown>> & { readonly name: string };

/** Thrown at the start when the server, or a stream on it, is not as this cluster needs it; one sentence per fault. */
export class NatsServerError extends Error {
  override readonly name = 'NatsServerError';
  constructor(readonly faults: readonly string[]) {
    super(faults.join('\n'));
  }
}

export function streamConfigs(names: Names, options: StreamOptions): readonly StreamConfig[] {
  const { pageBytesMax, replicas = 1 } = options;
  const common = {
    storage: 'file',
    retention: 'limits',
    max_age: 0,
    max_msgs: -1,
    num_replicas: replicas,
    allow_direct: replicas === 1,
    deny_delete: false,
    deny_purge: false,
  };
  const { prefix } = names;
  return [
    {
      ...common,
      name: names.log,
      subjects: [names.allRecords],
      max_msgs_per_subject: -1,
      max_bytes: -1,
      discard: 'new',
      duplicate_window: duplicateWindowNs,
      republish: { src: `${prefix}.>`, dest: `${prefix}-live.>` },
    },
    {
      ...common,
      name: names.slots,
      subjects: [`${prefix}-slots.*.*`],
      max_msgs_per_subject: 1,
      max_bytes: slotBytesMax,
      discard: 'new',
      republish: { src: `${prefix}-slots.>`, dest: `${prefix}-live.>` },
    },
    {
      ...common,
      name: names.pages,
      subjects: [`${prefix}-pages.*.*.*`, `${prefix}-pages.*.*.*.*.*`],
      max_msgs_per_subject: 1,
      max_bytes: pageBytesMax ?? pageBytesMaxDefault,
      discard: 'old',
    },
  ];
}

/** Throws {@link NatsServerError} with everything that is wrong. */
export async function prepareStreams(api: JetStreamApi, names: Names, options: StreamOptions): Promise<void> {
  const faults: string[] = [];
  for (const config of streamConfigs(names, options)) faults.push(...(await prepare(api, config, options)));
  if (faults.length > 0) throw new NatsServerError(faults);
}

async function prepare(api: JetStreamApi, config: StreamConfig, options: StreamOptions): Promise<readonly string[]> {
  const { name } = config;
  let present = await api.stream(name);
  if (present === undefined) {
    try {
      present = await api.create(name, config);
    } catch (error) {
      // Another process of the cluster was faster, and may have been given other options.
      if ((error as { code?: number }).code === errorCode.streamNameInUse) present = await api.stream(name);
      else
        return [
          `${(error as Error).message}: it reserves ${config.max_bytes} bytes; give JetStream more storage, or the stream less`,
        ];
    }
  }
  return present === undefined
    ? [`stream ${name} vanished while it was prepared`]
    : differences(config, present.config, options);
}

/** A size that was not asked for may be any. */
function differences(
  wanted: StreamConfig,
  present: Readonly<Record<string, unknown>>,
  options: StreamOptions,
): string[] {
  const free = new Set<string>(['name', 'duplicate_window']);
  if (wanted.name.endsWith('-slots') || (wanted.name.endsWith('-pages') && options.pageBytesMax === undefined))
    free.add('max_bytes');
  return Object.entries(wanted)
    .filter(([key, value]) => !free.has(key) && !isDeepStrictEqual(present[key] ?? absentValue(key), value))
    .map(
      ([key, value]) =>
        `stream ${wanted.name} has ${key} ${JSON.stringify(present[key])} where ${JSON.stringify(value)} is wanted: change it with "nats stream edit ${wanted.name}", or give this cluster another name`,
    );
}

/** Servers leave out what is false or zero. */
const absentValue = (key: string): unknown =>
  key === 'max_age' ? 0 : key.startsWith('deny_') || key === 'allow_direct' ? false : undefined;
