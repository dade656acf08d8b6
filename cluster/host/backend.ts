/**
 * Log, feed and pages of the configured profile, as one process holds them; the archive behind the log.
 *
 * What the servers really are is judged here, at the start of every process: what is wrong for good is a fault of the
 * configuration and says so, what is merely not up yet is waited for.
 */
import { join } from 'node:path';
import type { Archive } from '../../runtime/log/archive/archive.ts';
import { ArchivedLog } from '../../runtime/log/archive/archived-log.ts';
import { FolderArchive } from '../../runtime/log/archive/folder-archive.ts';
import type { EventLog } from '../../runtime/log/event-log.ts';
import type { Feed } from '../../runtime/log/feed.ts';
import type { PageStore } from '../../runtime/log/page-store.ts';
import type { Config } from './config.ts';

/** How long a process waits for the log's servers at its start, before it gives up and is started again. */
export const connectMsDefault = 15_000;

/** What a profile has of its own. */
export interface ProfileBackend {
  readonly log: EventLog;
  readonly feed: Feed;
  readonly pages: PageStore;
  /** Whether the log answers at present, and since when it has not been heard; monotonic ms. */
  state(): { readonly up: boolean; readonly lastHeardMs: number };
  close(): Promise<void>;
}

export interface Backend extends ProfileBackend {
  /** The log with the archive behind it: what everybody reads. */
  readonly log: EventLog;
  /** The log without: the archiver's. */
  readonly own: EventLog;
  readonly archive: Archive;
}

/** Where what the servers are is told: a pino logger, or `hunt up` itself. */
export interface BackendJournal {
  info(facts: object, sentence: string): void;
  warn(facts: object, sentence: string): void;
}

/** What the profiles' files get. */
export interface BackendStart {
  readonly config: Config;
  readonly journal: BackendJournal;
  readonly connectMs: number;
}

/** Throws ConfigError for what does not get better by waiting, and something else for what may. */
export async function connectBackend(
  config: Config,
  journal: BackendJournal,
  connectMs = connectMsDefault,
): Promise<Backend> {
  const { log, ...profile } = await connectProfile({ config, journal, connectMs });
  const archive = new FolderArchive(archiveFolder(config));
  const archived = new ArchivedLog(log, archive, (damage) => journal.warn({ damage }, 'the archive is damaged'));
  return { ...profile, log: archived, own: log, archive };
}

/** Of that profile alone: a position means nothing in another one's log. */
export const archiveFolder = (config: Config): string => join(config.archiveDir, config.profile);

/** Loaded as needed: nine embedded nodes have no use for the clients of NATS and Kafka. */
async function connectProfile(start: BackendStart): Promise<ProfileBackend> {
  switch (start.config.profile) {
    case 'embedded':
      return (await import('./embedded-backend.ts')).connectEmbedded(start);
    case 'nats':
      return (await import('./nats-backend.ts')).connectNats(start);
    case 'kafka':
      return (await import('./kafka-backend.ts')).connectKafka(start);
  }
}
