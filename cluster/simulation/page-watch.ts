/**
 * Stands between one node and its log and page store, and says when a page is to be saved at a version that the node cannot
 * know to be durable (I1, I8). Owns: how far it knows of each stream. What it lets through is unchanged.
 */
import type { StreamId } from '../../proto/ids.ts';
import type { EventLog, SlotWriter } from '../../runtime/log/event-log.ts';
import type { PageStore } from '../../runtime/log/page-store.ts';

export class PageWatch {
  readonly #durable = new Map<string, number>();

  constructor(private readonly blame: (what: string) => void) {}

  log(log: EventLog): EventLog {
    return {
      ...(log.pacing === undefined ? {} : { pacing: log.pacing }),
      take: async (slot, epoch) => this.#writer(await log.take(slot, epoch)),
      shared: (stream) => log.shared(stream),
      read: async (stream, from, bytesMax) => {
        const page = await log.read(stream, from, bytesMax);
        this.#learn(stream, page.head);
        return page;
      },
      readSlot: (slot, from, bytesMax) => log.readSlot(slot, from, bytesMax),
      head: async (stream) => {
        const head = await log.head(stream);
        this.#learn(stream, head);
        return head;
      },
      ends: () => log.ends(),
      trim: (slot, before) => log.trim(slot, before),
      close: () => log.close(),
    };
  }

  pages(store: PageStore): PageStore {
    return {
      load: (stream, pages) => store.load(stream, pages),
      save: (stream, pages) => {
        // A slot's agenda is folded to positions, and of records that were appended.
        const known = stream.kind === 'slot' ? Number.POSITIVE_INFINITY : (this.#durable.get(nameOf(stream)) ?? 0);
        for (const { page, foldedTo } of pages)
          if (foldedTo > known)
            this.blame(`page ${page} of ${nameOf(stream)} is saved at version ${foldedTo}; ${known} is durable`);
        return store.save(stream, pages);
      },
      drop: (stream, pages) => store.drop(stream, pages),
    };
  }

  #writer(writer: SlotWriter): SlotWriter {
    return {
      slot: writer.slot,
      epoch: writer.epoch,
      append: async (stream, expected, count, bytes) => {
        const outcome = await writer.append(stream, expected, count, bytes);
        if (outcome.kind === 'appended') this.#learn(stream, expected + count);
        return outcome;
      },
    };
  }

  #learn(stream: StreamId, version: number): void {
    const name = nameOf(stream);
    this.#durable.set(name, Math.max(this.#durable.get(name) ?? 0, version));
  }
}

const nameOf = ({ kind, id }: StreamId): string => `${kind} ${id}`;
