import type { HuntDetails } from '../../../gateway/sdk/http-api.ts';
import { localDateTime, Output, type OutputFlags, type Paint, table } from '../output.ts';
import { Target, type TargetFlags } from '../target.ts';

export async function show(id: number, flags: TargetFlags & OutputFlags & { atVersion?: number }): Promise<void> {
  const out = new Output(flags);
  const hunt = await new Target(flags).api().hunt(id, flags.atVersion);
  out.result(hunt, () => describe(hunt, out.paint));
}

function describe(hunt: HuntDetails, paint: Paint): string {
  const { state } = hunt;
  const definition = hunt.definition as {
    stages?: { id: string; title: string; points?: number; complete?: object; requires?: string[] }[];
  };
  const facts: [string, string | number][] = [
    ['status', hunt.status],
    ['join code', hunt.join_code],
    ['version', hunt.version],
    ['slot', hunt.slot],
    ['owner', hunt.owner],
    ['opens', localDateTime(hunt.opens_at)],
    ['closes', localDateTime(hunt.closes_at)],
    ['players', state.players],
    [state.entry === 'team' ? 'teams' : 'entrants', state.entrants],
  ];
  const stages = definition.stages ?? [];
  const parts = [
    `${paint('bold', hunt.title)}  (hunt ${hunt.hunt_id})`,
    facts.map(([name, value]) => `  ${name.padEnd(10)} ${value}`).join('\n'),
  ];
  if (stages.length > 0)
    parts.push(
      table(
        ['STAGE', 'TITLE', '>POINTS', 'BY', 'AFTER'],
        stages.map((s) => [
          s.id,
          s.title,
          s.points ?? 0,
          Object.keys(s.complete ?? {})[0],
          (s.requires ?? []).join(', '),
        ]),
        paint,
      ),
    );
  if (state.top.length > 0)
    parts.push(
      table(
        ['>RANK', 'NAME', '>POINTS'],
        state.top.map((row) => [row.rank, row.name, row.points]),
        paint,
      ),
    );
  return parts.join('\n\n');
}
