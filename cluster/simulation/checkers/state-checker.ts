/** Copies of the state (I3, I8): stored pages and live actors are what the log gives at the version that they name. */
import { huntActor } from '../../../actors/hunt/actor.ts';
import { unpackHeader } from '../../../runtime/activation/actor-state.ts';
import { depthOf, headerPage, type MemberRow, Page, suffixOf, unpackPage } from '../../../runtime/activation/page.ts';
import type { AnyActivation } from '../../../runtime/slot/slot.ts';
import type { HuntEvidence } from '../evidence.ts';
import type { Comparison } from './fold.ts';

type Row = Parameters<import('./fold.ts').Fold['rowFault']>[0];
type Header = Parameters<import('./fold.ts').Fold['headerFault']>[0];

export function storedPages({ pages }: HuntEvidence): Comparison[] {
  return pages.map(({ page, foldedTo, bytes }) => ({
    version: foldedTo,
    look: (fold) => {
      if (page === headerPage) {
        const saved = unpackHeader(bytes);
        if (saved === undefined) return 'the stored header cannot be read';
        if (saved.version !== foldedTo) return `the stored header is at ${saved.version}, and stored as ${foldedTo}`;
        const fault = fold.headerFault(huntActor.header.unpack(saved.header) as Header);
        return fault === undefined ? undefined : `the stored header: ${fault}`;
      }
      const filled = new Page<Row['member'], never>(depthOf(page), suffixOf(page));
      unpackPage(filled, bytes, huntActor.member);
      return rowsFault(`stored page ${page}`, filled.rows?.values() ?? [], fold);
    },
  }));
}

export function liveActor(where: string, activation: AnyActivation): Comparison {
  const { state } = activation;
  return {
    version: state.version,
    look: (fold) => {
      const fault = fold.headerFault(state.header as Header);
      if (fault !== undefined) return `the header on ${where}: ${fault}`;
      for (const page of state.members.pages()) {
        const found = rowsFault(`page ${page.id} on ${where}`, (page.rows?.values() ?? []) as Iterable<Row>, fold);
        if (found !== undefined) return found;
      }
      return undefined;
    },
  };
}

function rowsFault(
  where: string,
  rows: Iterable<MemberRow<Row['member']>>,
  fold: import('./fold.ts').Fold,
): string | undefined {
  for (const row of rows) {
    const fault = fold.rowFault(row);
    if (fault !== undefined) return `row ${row.id} in ${where}: ${fault}`;
  }
  return undefined;
}
