/**
 * When one activation's pages are written behind.
 *
 * Owns: how far the store is, since when it lags, the one save that may be under way, and the wish for a quiet moment
 * (nothing in flight), in which the activation takes no turn. Does not own how pages are written (write-behind.ts).
 */
import type { StreamId } from '../../proto/ids.ts';
import type { ActorEvent } from '../decider.ts';
import type { ActorState } from './actor-state.ts';
import type { NodeContext, Runnable } from './context.ts';
import type { Page } from './page.ts';
import { type Saveable, writeBehind } from './write-behind.ts';

/** After a save that failed. */
const saveAgainMs = 5_000;
/** A large actor may have so many more events in the log alone before a save pays. */
const tailEventsPerPage = 8;
const tailFactorMax = 10;

/** The activation, as far as saving must know it. */
export interface SavedActor<H, M, A, E extends ActorEvent> extends Runnable {
  readonly stream: StreamId;
  readonly state: ActorState<H, M, A, E>;
  readonly isOver: boolean;
  /** Loaded, and not over: there is something that could be saved. */
  readonly isSaveable: boolean;
  /** Nothing is in flight, and the state can be trusted. */
  readonly isQuiet: boolean;
  readonly durable: number;
  readonly flights: { readonly size: number };
  readonly pages: { bring(pages: readonly Page<M, E>[]): Promise<void> };
}

export class Saving<H, M, A, E extends ActorEvent> implements Saveable<H, M, A, E> {
  /** The version from which on events are in the log only. */
  savedTo = 0;
  headerBytes = 0;
  /** Monotonic; 0 while the store holds everything. */
  dirtySince = 0;
  isRunning = false;
  #notBefore = 0;
  /** So that actors that began together do not write together. */
  readonly #spread: number;
  #quiet: { readonly pack: () => void; readonly done: (isQuiet: boolean) => void }[] = [];

  constructor(
    readonly node: NodeContext,
    readonly actor: SavedActor<H, M, A, E>,
  ) {
    this.#spread = 0.75 + node.random.next() / 2;
  }

  get stream(): StreamId {
    return this.actor.stream;
  }
  get state(): ActorState<H, M, A, E> {
    return this.actor.state;
  }
  get isOver(): boolean {
    return this.actor.isOver;
  }
  get durable(): number {
    return this.actor.durable;
  }
  get tailEvents(): number {
    return this.actor.durable - this.savedTo;
  }
  /** Somebody waits for a quiet moment: no turn until it came. */
  get isQuieting(): boolean {
    return this.#quiet.length > 0;
  }
  /** Much is in the log alone, or for long. */
  get isDue(): boolean {
    if (!this.isPossible) return false;
    const { limits, clock } = this.node;
    const tailMax = Math.max(
      limits.tailEventsMax,
      Math.min(this.state.members.pageCount * tailEventsPerPage, limits.tailEventsMax * tailFactorMax),
    );
    return this.tailEvents > tailMax || clock.monotonic() - this.dirtySince > limits.dirtyMs * this.#spread;
  }

  /** Something is in the log alone, and the store has neither a save under way nor refused one of late. */
  get isPossible(): boolean {
    return (
      this.dirtySince > 0 && this.actor.isSaveable && !this.isRunning && this.node.clock.monotonic() >= this.#notBefore
    );
  }

  /** Writes pages behind, at most once at a time. True: the store holds all that was durable when it began. */
  async run(): Promise<boolean> {
    if (this.isRunning || !this.actor.isSaveable) return false;
    this.isRunning = true;
    try {
      const isSaved = await writeBehind(this.node, this);
      // A store that refuses is not asked again at once.
      if (!isSaved) this.#notBefore = this.node.clock.monotonic() + saveAgainMs;
      return isSaved;
    } finally {
      this.isRunning = false;
    }
  }

  /** An event is on its way to the log. */
  soil(at: number): void {
    if (this.dirtySince === 0) this.dirtySince = at;
  }

  quiesce(pack: () => void): Promise<boolean> {
    if (this.isOver) return Promise.resolve(false);
    return new Promise((done) => {
      this.#quiet.push({ pack, done });
      this.settle();
    });
  }

  /** Gives the quiet moment to those that wait for it, if it is one. */
  settle(): void {
    if (this.#quiet.length === 0 || !this.actor.isQuiet) return;
    for (const { pack, done } of this.#quiet.splice(0)) {
      pack();
      done(true);
    }
    this.node.ready(this.actor);
  }

  /** The activation is over: no quiet moment will come. */
  giveUp(): void {
    for (const { done } of this.#quiet.splice(0)) done(false);
  }

  bring(pages: readonly Page<M, E>[]): Promise<void> {
    return this.actor.pages.bring(pages);
  }

  saved(version: number, headerBytes: number): void {
    this.savedTo = Math.max(this.savedTo, version);
    this.headerBytes = headerBytes;
    this.dirtySince = this.tailEvents > 0 || this.actor.flights.size > 0 ? this.node.clock.monotonic() : 0;
  }
}
