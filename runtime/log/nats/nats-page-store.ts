/**
 * Pages: one subject a page, of which the stream keeps the last message alone. Owns nothing but hints of what is stored.
 * A save is conditional on the subject's last sequence, so the page that it judged is the one that it replaces. The pages
 * of one save are stored one after the other, so a crash leaves a prefix.
 *
 * A page that is larger than a message may be is stored in parts, under subjects that no other save uses, before the
 * message that names them; who reads sees the old page or the new one. Parts that a crash leaves behind lie there
 * until the page is dropped.
 */
import { LRUCache } from 'lru-cache';
import type { StreamId, Version } from '../../../proto/ids.ts';
import type { Random } from '../../kernel/random.ts';
import type { PageStore, StoredPage } from '../page-store.ts';
import { jetStreamError, type PubAck, wrongLastSequence } from './jetstream-answer.ts';
import type { JetStreamApi } from './jetstream-api.ts';
import type { Names } from './names.ts';
import type { NatsLink } from './nats-link.ts';
import { headerValue } from './record-header.ts';
import type { Requests } from './requests.ts';
import type { Stored, StoredMessages } from './stored-messages.ts';

const knownMax = 50_000;
const headerBytesMax = 512;
/** A page in parts that is replaced while it is read is read again. */
const loadsMax = 3;
/** Larger than the header of a hunt of a million; a hundred parts of a server's default size. */
const pageBytesMax = 64 * 1024 * 1024;

/** What a page's message says: `Hunt-Page: <foldedTo> <parts> <their name>`. */
interface PageHeader {
  readonly seq: number;
  readonly foldedTo: number;
  /** 0: the bytes are in the message itself. */
  readonly parts: number;
  readonly name: string;
}

const absent: PageHeader = { seq: 0, foldedTo: 0, parts: 0, name: '' };

export interface NatsPageStoreParts {
  readonly link: NatsLink;
  readonly names: Names;
  readonly requests: Requests;
  readonly messages: StoredMessages;
  readonly api: JetStreamApi;
  readonly random: Random;
}

export class NatsPageStore implements PageStore {
  /** By subject; what another process has stored since shows when a save meets it. */
  readonly #known = new LRUCache<string, PageHeader>({ max: knownMax });

  constructor(private readonly parts: NatsPageStoreParts) {}

  load(stream: StreamId, pages: readonly number[]): Promise<readonly (StoredPage | undefined)[]> {
    return Promise.all(pages.map((page) => this.#load(this.parts.names.page(stream, page), page)));
  }

  async save(stream: StreamId, pages: readonly StoredPage[]): Promise<void> {
    for (const page of pages) await this.#save(this.parts.names.page(stream, page.page), page);
  }

  async drop(stream: StreamId, pages: readonly number[]): Promise<void> {
    await Promise.all(pages.map((page) => this.#drop(this.parts.names.page(stream, page))));
  }

  async #load(subject: string, page: number): Promise<StoredPage | undefined> {
    for (let attempt = 1; attempt <= loadsMax; attempt++) {
      const stored = await this.parts.messages.last(subject);
      const header = stored && this.#saw(subject, stored);
      if (stored === undefined || header === undefined) return undefined;
      const bytes = header.parts === 0 ? Buffer.from(stored.body) : await this.#joined(subject, header);
      if (bytes !== undefined) return { page, foldedTo: header.foldedTo as Version, bytes };
    }
    // Its parts are gone: so is the page (I8).
    return undefined;
  }

  async #joined(subject: string, { parts, name }: PageHeader): Promise<Buffer | undefined> {
    const found: Buffer[] = [];
    for (let part = 0; part < parts; part++) {
      const stored = await this.parts.messages.last(partSubject(subject, name, part));
      if (stored === undefined) return undefined;
      found.push(Buffer.from(stored.body));
    }
    return Buffer.concat(found);
  }

  async #save(subject: string, { page, foldedTo, bytes }: StoredPage): Promise<void> {
    if (bytes.byteLength > pageBytesMax)
      throw new RangeError(`page ${page} of ${bytes.byteLength} bytes (at most ${pageBytesMax})`);
    const most = this.parts.link.payloadBytesMax - headerBytesMax;
    const parts = bytes.byteLength > most ? Math.ceil(bytes.byteLength / most) : 0;
    const name = parts === 0 ? '-' : this.parts.random.token(6);
    for (let part = 0; part < parts; part++)
      await this.#publish(partSubject(subject, name, part), bytes.subarray(part * most, (part + 1) * most), '');
    const body = parts === 0 ? bytes : new Uint8Array(0);
    // What is known may be behind (another process saved or dropped the page): the log is asked before a page is left out.
    let present = this.#known.get(subject) ?? absent;
    for (let isAsked = false; ; isAsked = true) {
      if (present.foldedTo <= foldedTo) {
        const condition = `Hunt-Page: ${foldedTo} ${parts} ${name}\r\nNats-Expected-Last-Subject-Sequence: ${present.seq}\r\n`;
        const seq = await this.#publish(subject, body, condition);
        if (seq !== undefined) {
          this.#known.set(subject, { seq, foldedTo, parts, name });
          if (present.parts > 0) await this.#removeParts(subject, present.name);
          return;
        }
      } else if (isAsked) {
        if (parts > 0) await this.#removeParts(subject, name);
        return;
      }
      const stored = await this.parts.messages.last(subject);
      present = stored === undefined ? absent : (this.#saw(subject, stored) ?? { ...absent, seq: stored.seq });
    }
  }

  /** Undefined: the subject's last message is another one than was expected. */
  async #publish(subject: string, body: Uint8Array, lines: string): Promise<number | undefined> {
    const header = Buffer.from(`NATS/1.0\r\n${lines}\r\n`, 'latin1');
    const reply = await this.parts.requests.ask(subject, body, { header });
    const { error, seq } = JSON.parse(reply.body.toString()) as PubAck;
    if (error === undefined) return seq as number;
    if (!wrongLastSequence(error)) throw jetStreamError(`a page at ${subject}`, error);
    return undefined;
  }

  async #drop(subject: string): Promise<void> {
    const stored = await this.parts.messages.last(subject);
    if (stored === undefined) return;
    const { api, names } = this.parts;
    const header = this.#saw(subject, stored);
    this.#known.delete(subject);
    await api.purge(names.pages, { filter: subject });
    if (header !== undefined && header.parts > 0) await this.#removeParts(subject, '*');
  }

  async #removeParts(subject: string, name: string): Promise<void> {
    await this.parts.api.purge(this.parts.names.pages, { filter: `${subject}.${name}.*` });
  }

  #saw(subject: string, { seq, header }: Stored): PageHeader | undefined {
    const [foldedTo, parts, name = ''] = headerValue(header, 'Hunt-Page')?.split(' ') ?? [];
    if (foldedTo === undefined) return undefined;
    const known = { seq, foldedTo: Number(foldedTo), parts: Number(parts), name };
    this.#known.set(subject, known);
    return known;
  }
}

const partSubject = (subject: string, name: string, part: number): string => `${subject}.${name}.${part}`;
