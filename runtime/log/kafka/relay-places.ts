/**
 * How far each slot was relayed: a page of the target a slot, saved now and then, so that whoever goes on finds it there. What
 * is behind is harmless, and the page store refuses what is behind a later relay's.
 */
import { type Position, type Slot, type StreamId, slotCount, type Version } from '../../../proto/ids.ts';
import type { PageStore } from '../page-store.ts';

const placePage = 0;
const nothing = new Uint8Array(0);
const placeOf = (slot: number): StreamId => ({ kind: 'relay', id: slot });

export class RelayPlaces {
  readonly #next = new Map<Slot, Position>();
  readonly #saved = new Map<Slot, Position>();

  constructor(private readonly pages: PageStore) {}

  /** Of all slots; 0 where nothing was relayed yet, or where the target has lost the page. */
  load(): Promise<readonly Position[]> {
    return Promise.all(
      Array.from({ length: slotCount }, async (_, slot) => {
        const [page] = await this.pages.load(placeOf(slot), [placePage]);
        return (page?.foldedTo ?? 0) as number as Position;
      }),
    );
  }

  /** Everything below is in the target. */
  reached(slot: Slot, next: Position): void {
    this.#next.set(slot, next);
  }

  async save(): Promise<void> {
    for (const [slot, next] of this.#next) {
      if (this.#saved.get(slot) === next) continue;
      await this.pages.save(placeOf(slot), [{ page: placePage, foldedTo: next as number as Version, bytes: nothing }]);
      this.#saved.set(slot, next);
    }
  }
}
