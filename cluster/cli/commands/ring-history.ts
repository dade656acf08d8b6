import { localDateTime, Output, type OutputFlags } from '../output.ts';
import { type ClusterChangeEvent, RingApi } from '../ring/ring-api.ts';
import { Target, type TargetFlags } from '../target.ts';

const pageRows = 1_000;

/** Everything that changed the cluster, one event a line. */
export async function ringHistory(flags: TargetFlags & OutputFlags & { readonly from?: number }): Promise<void> {
  const out = new Output(flags);
  const api = new RingApi(new Target(flags).api());
  for (let from: number | null = flags.from ?? 0; from !== null; ) {
    const page: { events: ClusterChangeEvent[]; next: number | null } = await api.history(from, pageRows);
    for (const event of page.events)
      out.result(event, () =>
        [
          String(event.view).padStart(6),
          localDateTime(event.at),
          event.type.padEnd(16),
          event.by || '-',
          event.reason,
          out.paint('dim', brief(event.detail)),
        ].join('  '),
      );
    from = page.next;
  }
}

/** Lists of slots are long: the numbers that matter to a reader are how many. */
function brief(detail: object): string {
  const text = JSON.stringify(detail, (_key, value: unknown) =>
    Array.isArray(value) && value.length > 8 ? `${value.length} of them` : value,
  );
  return text.length > 160 ? `${text.slice(0, 157)}...` : text;
}
