/**
 * The brokers of the cluster and who leads which slot. Owns the links, several to each broker that is talked to, because a broker
 * works through one link's requests one after the other: appends, reads, questions and long waits must not queue behind
 * each other. Owns the metadata, refreshed when a broker says that it is stale or does not answer, never by time alone.
 */
import { slotCount } from '../../../proto/ids.ts';
import type { Clock } from '../../kernel/clock.ts';
import type { Timers } from '../../kernel/timer.ts';
import { type BrokerAddress, BrokerLink, BrokerUnreachableError, type LinkOptions } from './broker-link.ts';
import { errorName, type KafkaRequest, kafkaError, type Metadata, metadata } from './requests.ts';

/** Refreshes are not nearer together than this, however many callers find the metadata stale. */
const refreshGapMs = 50;
const nobody = -1;

/** What a link is for. */
export type Lane = 'append' | 'read' | 'wait' | 'ask';

export interface BrokersOptions {
  readonly brokers: readonly string[];
  readonly topic: string;
  readonly clientId: string;
  readonly connectMs: number;
  /** For an append, which the leader may hold until its followers have it. */
  readonly requestMs: number;
  /** For everything else, beside what the broker is asked to wait. */
  readonly questionMs: number;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly route?: (address: BrokerAddress) => BrokerAddress;
}

export class Brokers {
  /** Monotonic time at which any broker was last heard; minus infinity before the first. */
  lastHeardMs = Number.NEGATIVE_INFINITY;
  readonly #seeds: readonly BrokerAddress[];
  readonly #links = new Map<string, BrokerLink>();
  readonly #addresses = new Map<number, BrokerAddress>();
  readonly #leaders = new Array<number>(slotCount).fill(nobody);
  #refreshing: Promise<void> | undefined;
  #refreshedMs = Number.NEGATIVE_INFINITY;
  #turn = 0;
  #isClosed = false;

  constructor(private readonly options: BrokersOptions) {
    this.#seeds = options.brokers.map(addressOf);
  }

  get topic(): string {
    return this.options.topic;
  }

  /** The broker that leads the slot's partition, as far as is known. */
  leaderOf(slot: number): number | undefined {
    const leader = this.#leaders[slot] ?? nobody;
    return leader === nobody ? undefined : leader;
  }

  /** Rejects with {@link BrokerUnreachableError} when the broker does not answer. */
  async ask<T>(node: number, lane: Lane, request: KafkaRequest<T>, waitMs = 0): Promise<T> {
    const address = this.#addresses.get(node);
    if (address === undefined) throw new BrokerUnreachableError(`broker ${node} is not known`);
    const { questionMs, requestMs } = this.options;
    return this.#link(address, lane).ask(request, lane === 'append' ? requestMs : questionMs + waitMs);
  }

  /** Gives up what is on the way there. */
  giveUp(node: number, lane: Lane, why: string): void {
    const address = this.#addresses.get(node);
    if (address !== undefined) this.#links.get(keyOf(address, lane))?.reset(why);
  }

  /** Asks any broker that answers. Those who ask while one is being asked share its answer. */
  refresh(): Promise<void> {
    this.#refreshing ??= this.#refresh().finally(() => {
      this.#refreshing = undefined;
    });
    return this.#refreshing;
  }

  close(): void {
    this.#isClosed = true;
    for (const link of this.#links.values()) link.close();
    this.#links.clear();
  }

  async #refresh(): Promise<void> {
    const { clock, timers, topic } = this.options;
    const early = this.#refreshedMs + refreshGapMs - clock.monotonic();
    if (early > 0) await new Promise<void>((resolve) => timers.after(early, resolve));
    const known = new Map<string, BrokerAddress>();
    for (const address of [...this.#addresses.values(), ...this.#seeds]) known.set(nameOf(address), address);
    const addresses = [...known.values()];
    let fault: unknown;
    for (let tries = 0; tries < addresses.length; tries++) {
      const address = addresses[this.#turn++ % addresses.length] as BrokerAddress;
      try {
        this.#learn(await this.#link(address, 'ask').ask(metadata(topic), this.options.questionMs));
        return;
      } catch (error) {
        fault = error;
      } finally {
        this.#refreshedMs = clock.monotonic();
      }
    }
    throw fault;
  }

  #learn(found: Metadata): void {
    if (found.error !== kafkaError.none)
      throw new BrokerUnreachableError(`topic ${this.options.topic}: ${errorName(found.error)}`);
    // One that the cluster has given up is not named, and may still have requests of ours.
    for (const { node, host, port } of found.brokers) this.#addresses.set(node, { host, port });
    for (const { partition, leader } of found.partitions) if (partition < slotCount) this.#leaders[partition] = leader;
  }

  #link(address: BrokerAddress, lane: Lane): BrokerLink {
    if (this.#isClosed) throw new BrokerUnreachableError('the log was closed here');
    const key = keyOf(address, lane);
    let link = this.#links.get(key);
    if (link === undefined) {
      const { clientId, connectMs, timers, clock, route = (same: BrokerAddress) => same } = this.options;
      const heard = (): void => {
        this.lastHeardMs = clock.monotonic();
      };
      const options: LinkOptions = { clientId, connectMs, timers, heard, route };
      link = new BrokerLink(address, options);
      this.#links.set(key, link);
    }
    return link;
  }
}

const keyOf = (address: BrokerAddress, lane: Lane): string => `${nameOf(address)} ${lane}`;
const nameOf = ({ host, port }: BrokerAddress): string => `${host}:${port}`;

function addressOf(broker: string): BrokerAddress {
  const at = broker.lastIndexOf(':');
  const port = Number(broker.slice(at + 1));
  if (at < 1 || !Number.isInteger(port)) throw new RangeError(`broker "${broker}": host:port`);
  return { host: broker.slice(0, at), port };
}
