import type { Config } from './config.ts';

/**
 * What rows in PostgreSQL say that they were made from. A cluster that begins anew, which is told by its lineage, is another log:
 * positions in it mean something else.
 */
export const logNameOf = ({ profile, cluster }: Pick<Config, 'profile' | 'cluster'>, lineage: string): string =>
  `${profile} ${cluster} ${lineage}`;
