/**
 * Carries what the lanes want to append to the brokers: one request in flight to each broker that leads some of the slots, and
 * what is asked meanwhile becomes the next one (self-clocking: no timers but the back-off). Owns the requests in flight and
 * the back-off; what is in them belongs to the lanes, which keep it until it was folded.
 */
import type { Clock } from '../../kernel/clock.ts';
import type { Cancel, Timers } from '../../kernel/timer.ts';
import type { AppendPacing } from '../event-log.ts';
import type { Brokers } from './brokers.ts';
import { recordValue } from './entry.ts';
import { errorName, kafkaError, produce } from './requests.ts';
import type { SlotLane } from './slot-lane.ts';
import type { Sendable } from './waiting-list.ts';

const requestBytesMax = 512 * 1024;
const requestRecordsMax = 1_000;
/** How long the leader waits for its followers before it answers with an error. */
const replicationMs = 5_000;
/** A request that takes longer may be with a broker that leads no more: the others are asked, so often. */
const watchMs = 1_000;
const backOffFirstMs = 10;
const backOffMaxMs = 200;

interface Desk {
  isBusy: boolean;
  backOffMs: number;
}

interface Part {
  readonly lane: SlotLane;
  readonly sendables: readonly Sendable[];
}

export interface CourierOptions {
  readonly brokers: Brokers;
  readonly clock: Clock;
  readonly timers: Timers;
}

export class Courier implements AppendPacing {
  onFree: (() => void) | undefined;
  /** Why the last request failed; undefined once one succeeded, or nothing is to be sent any more. */
  lastFault: string | undefined;
  /** Requests that failed. */
  failures = 0;
  readonly #desks = new Map<number, Desk>();
  #ready = new Set<SlotLane>();
  #isScheduled = false;
  #isLost = false;
  #isClosed = false;

  constructor(private readonly options: CourierOptions) {}

  /** Every broker that was needed lately has a request in flight: what is appended now would wait. */
  get isBusy(): boolean {
    if (this.#desks.size === 0 || this.lastFault !== undefined) return false;
    for (const desk of this.#desks.values()) if (!desk.isBusy) return false;
    return true;
  }

  wants(lane: SlotLane): void {
    this.#ready.add(lane);
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    this.options.timers.soon(() => {
      if (this.#isScheduled) this.flush();
    });
  }

  flush(): void {
    this.#isScheduled = false;
    if (this.#isClosed) return;
    const byLeader = new Map<number, SlotLane[]>();
    for (const lane of this.#ready) {
      if (!lane.isReady) {
        this.#ready.delete(lane);
        continue;
      }
      const leader = this.options.brokers.leaderOf(lane.slot);
      if (leader === undefined) this.#find();
      else byLeader.set(leader, [...(byLeader.get(leader) ?? []), lane]);
    }
    if (this.#ready.size === 0 && [...this.#desks.values()].every(({ isBusy }) => !isBusy)) this.lastFault = undefined;
    for (const [leader, lanes] of byLeader) {
      const desk = this.#deskOf(leader);
      if (!desk.isBusy) void this.#depart(leader, desk, lanes);
    }
  }

  close(): void {
    this.#isClosed = true;
    this.onFree = undefined;
  }

  #deskOf(leader: number): Desk {
    let desk = this.#desks.get(leader);
    if (desk === undefined) {
      desk = { isBusy: false, backOffMs: backOffFirstMs };
      this.#desks.set(leader, desk);
    }
    return desk;
  }

  async #depart(leader: number, desk: Desk, lanes: readonly SlotLane[]): Promise<void> {
    const { brokers, clock } = this.options;
    const parts = this.#load(lanes);
    if (parts.length === 0) return;
    desk.isBusy = true;
    const unwatch = this.#watch(leader, parts);
    let fault: string | undefined;
    try {
      const request = produce(
        brokers.topic,
        parts.map(({ lane, sendables }) => ({
          partition: lane.slot,
          records: sendables.map(({ key, sent }) => ({ key, value: recordValue(sent) })),
        })),
        replicationMs,
        clock.now(),
      );
      const results = new Map((await brokers.ask(leader, 'append', request)).map((one) => [one.partition, one]));
      for (const { lane, sendables } of parts) {
        lane.isFlying = false;
        const result = results.get(lane.slot);
        if (result !== undefined && result.error === kafkaError.none) lane.landed(sendables, result.baseOffset);
        else fault = `Produce: slot ${lane.slot}: ${errorName(result?.error ?? -1)}`;
      }
    } catch (error) {
      fault = (error as Error).message;
    }
    unwatch();
    for (const { lane } of parts) lane.isFlying = false;
    for (const { lane } of parts) if (lane.isReady) this.#ready.add(lane);
    this.lastFault = fault;
    if (fault === undefined) desk.backOffMs = backOffFirstMs;
    else await this.#backOff(desk);
    desk.isBusy = false;
    // What is appended during the call goes with the next request.
    this.onFree?.();
    this.flush();
  }

  /** A broker that hangs does not say that others lead by now. */
  #watch(leader: number, parts: readonly Part[]): Cancel {
    const { brokers, timers } = this.options;
    let isOver = false;
    const cancel = timers.every(watchMs, () => {
      void brokers.refresh().then(
        () => {
          const isLed = parts.some(({ lane }) => brokers.leaderOf(lane.slot) === leader);
          if (!isLed && !isOver) brokers.giveUp(leader, 'append', 'others lead by now');
        },
        () => undefined,
      );
    });
    return () => {
      isOver = true;
      cancel();
    };
  }

  /** Lanes take turns: what was not loaded stays in front. */
  #load(lanes: readonly SlotLane[]): Part[] {
    const parts: Part[] = [];
    let records = 0;
    let bytes = 0;
    for (const lane of lanes) {
      if (records >= requestRecordsMax || bytes >= requestBytesMax) break;
      this.#ready.delete(lane);
      const sendables = lane.load(requestRecordsMax - records, requestBytesMax - bytes);
      if (sendables.length === 0) continue;
      records += sendables.length;
      for (const { size } of sendables) bytes += size;
      lane.isFlying = true;
      parts.push({ lane, sendables });
    }
    return parts;
  }

  async #backOff(desk: Desk): Promise<void> {
    this.failures++;
    const { brokers, timers } = this.options;
    await new Promise<void>((resolve) => void timers.after(desk.backOffMs, resolve));
    desk.backOffMs = Math.min(desk.backOffMs * 2, backOffMaxMs);
    if (!this.#isClosed) await brokers.refresh().catch(() => undefined);
    // Leaders may have moved: a broker that leads nothing any more is nothing to wait for.
    for (const [leader, other] of this.#desks) if (other !== desk && !other.isBusy) this.#desks.delete(leader);
  }

  /** Some slot has no leader: asks until it has. */
  #find(): void {
    if (this.#isLost) return;
    this.#isLost = true;
    const { brokers, timers } = this.options;
    const again = (): void => {
      this.#isLost = false;
      this.flush();
    };
    void brokers.refresh().then(
      () => timers.after(backOffFirstMs, again),
      () => timers.after(backOffMaxMs, again),
    );
  }
}
