import { pack, unpack } from 'msgpackr';
import type { Position, Slot, StreamId, Version } from '../../proto/ids.ts';
import type { NodeContext } from '../activation/context.ts';
import { pause } from '../activation/loading.ts';
import type { AlarmWake } from './alarm-wake.ts';

/** Under which kind of stream the agendas lie in the page store; no actor has it. */
export const agendaKind = 'slot';
const agendaFormat = 1;
const agendaPage = 0;
const readBytesMax = 1024 * 1024;

/**
 * When the actors of one slot want to be woken.
 *
 * Owns: the next alarm of every actor, whether or not it is in memory, and the place in the slot's log up to which the
 * saved copy is complete. Alarms are state of the actors; this is an index of it, disposable like a page (I8): whoever
 * takes the slot loads it, reads the log from there, and asks every actor that wrote since.
 */
export class Agenda {
  readonly #alarms = new Map<string, Map<number, number>>();
  /** What is in the log before it is covered by the saved copy. */
  #savedTo = 0;
  #appendedTo = 0;
  #isComplete = false;
  #isChanged = false;

  constructor(
    readonly node: Pick<NodeContext, 'log' | 'pages' | 'timers' | 'clock'>,
    readonly slot: Slot,
    readonly wake: AlarmWake,
    readonly isAlarmed: (kind: string) => boolean,
  ) {}

  get size(): number {
    let size = 0;
    for (const alarms of this.#alarms.values()) size += alarms.size;
    return size;
  }
  /** Every alarm of the slot is known. */
  get isComplete(): boolean {
    return this.#isComplete;
  }

  set(stream: StreamId, at: number | undefined): void {
    let alarms = this.#alarms.get(stream.kind);
    if (alarms?.get(stream.id) === at) return;
    this.#isChanged = true;
    if (at === undefined) {
      alarms?.delete(stream.id);
      this.wake.disarm(stream);
      return;
    }
    if (alarms === undefined) {
      alarms = new Map();
      this.#alarms.set(stream.kind, alarms);
    }
    alarms.set(stream.id, at);
    this.wake.arm(stream, at);
  }

  /** A record of an actor whose alarm is set here already is in the log. */
  appended(position: Position): void {
    if (position > this.#appendedTo) this.#appendedTo = position;
  }

  /** Wakes may get lost: everything is armed again. */
  rearm(): void {
    for (const [kind, alarms] of this.#alarms) for (const [id, at] of alarms) this.wake.arm({ kind, id }, at);
  }

  /**
   * Loads the saved copy and asks, through `learn`, every actor that has written since. Tries until it comes through or
   * `isOver`: alarms wait, play does not.
   */
  async restore(learn: (stream: StreamId) => Promise<void>, isOver: () => boolean): Promise<void> {
    for (let wait = 100; !isOver(); wait = Math.min(wait * 2, 5_000)) {
      try {
        await this.#restore(learn, isOver);
        return;
      } catch {
        await pause(this.node, wait);
      }
    }
  }

  async #restore(learn: (stream: StreamId) => Promise<void>, isOver: () => boolean): Promise<void> {
    const [stored] = await this.node.pages.load(this.#stream, [agendaPage]).catch(() => []);
    const saved = stored === undefined ? undefined : unpackAgenda(stored.bytes);
    const known = new Set<string>();
    for (const [kind, id, at] of saved?.alarms ?? []) {
      // What an actor has said since the slot was taken is newer.
      if (!this.#alarms.get(kind)?.has(id)) this.set({ kind, id }, at);
    }
    let from = (saved?.position ?? 0) as Position;
    for (;;) {
      if (isOver()) return;
      const page = await this.node.log.readSlot(this.slot, from, readBytesMax);
      const learning: Promise<void>[] = [];
      for (const { stream, position } of page.records) {
        this.appended(position);
        const key = `${stream.kind}/${stream.id}`;
        if (known.has(key) || !this.isAlarmed(stream.kind)) continue;
        known.add(key);
        learning.push(learn(stream));
      }
      await Promise.all(learning);
      if (page.next === from || page.next >= page.end) break;
      from = page.next;
    }
    this.#savedTo = from;
    this.#isComplete = true;
    this.#isChanged = true;
  }

  /** Saves, if there is anything new to save. Only a complete agenda may say how far it is complete. */
  async save(): Promise<void> {
    if (!this.#isComplete || (!this.#isChanged && this.#appendedTo <= this.#savedTo)) return;
    const position = Math.max(this.#appendedTo, this.#savedTo);
    const alarms: [string, number, number][] = [];
    for (const [kind, byId] of this.#alarms) for (const [id, at] of byId) alarms.push([kind, id, at]);
    this.#isChanged = false;
    try {
      await this.node.pages.save(this.#stream, [
        { page: agendaPage, foldedTo: position as number as Version, bytes: pack([agendaFormat, position, alarms]) },
      ]);
      this.#savedTo = position;
    } catch {
      this.#isChanged = true;
    }
  }

  /** The slot is given up: nobody is woken any longer. */
  close(): void {
    for (const [kind, alarms] of this.#alarms) for (const id of alarms.keys()) this.wake.disarm({ kind, id });
    this.#alarms.clear();
  }

  get #stream(): StreamId {
    return { kind: agendaKind, id: this.slot };
  }
}

function unpackAgenda(bytes: Uint8Array): { position: number; alarms: [string, number, number][] } | undefined {
  try {
    const [format, position, alarms] = unpack(bytes) as [number, number, [string, number, number][]];
    return format === agendaFormat ? { position, alarms } : undefined;
  } catch {
    return undefined;
  }
}
