import type { HuntDirectory } from '../admin/hunt-directory.ts';
import type { AdminPorts } from '../admin/ports.ts';

/** What submitting needs of others: less than a gateway has, so that a node can serve it too. */
export interface IngestParts {
  readonly ports: Pick<
    AdminPorts,
    'clock' | 'timers' | 'random' | 'route' | 'tokens' | 'admitAct' | 'readiness' | 'journal'
  >;
  readonly directory: HuntDirectory;
}
