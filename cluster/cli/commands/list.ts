import type { HuntRow } from '../../../gateway/sdk/http-api.ts';
import { localDateTime, Output, type OutputFlags, table } from '../output.ts';
import { Target, type TargetFlags } from '../target.ts';

const rowsPerPage = 1_000;

export async function list(flags: TargetFlags & OutputFlags & { status?: string; q?: string }): Promise<void> {
  const out = new Output(flags);
  const api = new Target(flags).api();
  const hunts: HuntRow[] = [];
  let cursor: string | null = null;
  do {
    const page: { hunts: HuntRow[]; next: string | null } = await api.listHunts({
      limit: rowsPerPage,
      ...(flags.status ? { status: flags.status } : {}),
      ...(flags.q ? { q: flags.q } : {}),
      ...(cursor === null ? {} : { cursor }),
    });
    hunts.push(...page.hunts);
    cursor = page.next;
  } while (cursor !== null && cursor !== undefined);
  out.result({ hunts, next: null }, () =>
    hunts.length === 0
      ? 'No hunts.'
      : table(
          ['HUNT', 'TITLE', 'STATUS', 'CODE', '>PLAYERS', '>EVENTS', 'OPENS', 'CLOSES'],
          hunts.map((h) => [
            h.hunt_id,
            h.title,
            h.status,
            h.join_code,
            h.players,
            h.version,
            localDateTime(h.opens_at),
            localDateTime(h.closes_at),
          ]),
          out.paint,
        ),
  );
}
