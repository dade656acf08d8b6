/**
 * How a cluster's streams and subjects are called, so that several clusters can share a server. One place, because third
 * parties read these subjects too.
 *
 *  PREFIX.<slot>.<kind>.<id>          a record of one actor's stream           stream PREFIX-log
 *  PREFIX-slots.<register>.<slot>     a slot's number: `take`, `trim`          stream PREFIX-slots
 *  PREFIX-pages.<kind>.<id>.<page>    a page, and below it a large page's parts stream PREFIX-pages
 *  PREFIX-live.<slot>.<kind>.<id>     what PREFIX-log has stored, republished
 *  PREFIX-live.<register>.<slot>      what PREFIX-slots has stored, republished
 */
import { type Slot, type StreamId, slotCount, slotOf } from '../../../proto/ids.ts';

const prefixDefault = 'hunt';
const clusterPattern = /^[A-Za-z0-9_.:-]{1,64}$/;
const kindPattern = /^[A-Za-z0-9_-]{1,32}$/;

export class Names {
  /** `hunt`, or `hunt-CLUSTER`. A dot separates tokens of a subject, so a cluster's dots are written as `~`. */
  readonly prefix: string;
  readonly log: string;
  readonly slots: string;
  readonly pages: string;

  constructor(cluster?: string) {
    if (cluster !== undefined && !clusterPattern.test(cluster))
      throw new RangeError(`cluster ${JSON.stringify(cluster)}: 1 to 64 characters of A-Z a-z 0-9 _ . : -`);
    this.prefix = cluster === undefined ? prefixDefault : `${prefixDefault}-${cluster.replaceAll('.', '~')}`;
    this.log = `${this.prefix}-log`;
    this.slots = `${this.prefix}-slots`;
    this.pages = `${this.prefix}-pages`;
  }

  record(stream: StreamId): string {
    return `${this.prefix}.${path(stream)}`;
  }

  /** All records of the log; of one slot. */
  get allRecords(): string {
    return `${this.prefix}.*.*.*`;
  }
  recordsOf(slot: Slot): string {
    return `${this.prefix}.${slot}.*.*`;
  }

  live(stream: StreamId): string {
    return `${this.prefix}-live.${path(stream)}`;
  }
  get allLive(): string {
    return `${this.prefix}-live.*.*.*`;
  }

  register(name: string, slot: Slot | '*'): string {
    return `${this.prefix}-slots.${name}.${slot}`;
  }
  liveRegister(name: string): string {
    return `${this.prefix}-live.${name}.*`;
  }

  page(stream: StreamId, page: number): string {
    return `${this.prefix}-pages.${checkedKind(stream.kind)}.${stream.id}.${page}`;
  }

  /** Of which stream a record is, by its subject or the one under which it was republished. */
  static streamOf(subject: string): StreamId | undefined {
    const [, slot, kind, id, more] = subject.split('.');
    const number = Number(id);
    if (kind === undefined || more !== undefined || !Number.isSafeInteger(number)) return undefined;
    return Number(slot) === slotOf(number) ? { kind, id: number } : undefined;
  }

  /** The last token, where it is a slot. */
  static slotAtEnd(subject: string): Slot | undefined {
    const slot = Number(subject.slice(subject.lastIndexOf('.') + 1));
    return Number.isInteger(slot) && slot >= 0 && slot < slotCount ? (slot as Slot) : undefined;
  }
}

const path = ({ kind, id }: StreamId): string => `${slotOf(id)}.${checkedKind(kind)}.${id}`;

/** Kinds that were found good; there are a handful, and every append asks. */
const goodKinds = new Set<string>();
const goodKindsMax = 256;

function checkedKind(kind: string): string {
  if (goodKinds.has(kind)) return kind;
  if (!kindPattern.test(kind))
    throw new RangeError(`kind ${JSON.stringify(kind)}: 1 to 32 characters of A-Z a-z 0-9 _ -`);
  if (goodKinds.size < goodKindsMax) goodKinds.add(kind);
  return kind;
}
