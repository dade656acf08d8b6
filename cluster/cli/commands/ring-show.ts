import { localDateTime, Output, type OutputFlags, table } from '../output.ts';
import { Target, type TargetFlags } from '../target.ts';

interface Ring {
  cluster: string;
  profile: string;
  view: number;
  frozen: { reason: string; by: string; until: number } | null;
  nodes: {
    id: string;
    state: string;
    weight: number;
    incarnation: number;
    addr: string;
    slots: number;
    hunts: number;
    since: number;
  }[];
  owners: string[];
  pins: Record<string, string>;
}

export async function ringShow(flags: TargetFlags & OutputFlags): Promise<void> {
  const out = new Output(flags);
  const ring = await new Target(flags).api().cluster<Ring>();
  out.result(ring, () => {
    const unowned = ring.owners.filter((owner) => owner === '' || owner === null).length;
    const pins = Object.entries(ring.pins ?? {});
    const nodes = ring.nodes.map((n) => [
      n.id,
      n.state,
      n.weight,
      n.slots,
      n.hunts,
      n.incarnation,
      localDateTime(n.since),
      n.addr,
    ]);
    return [
      `${out.paint('bold', ring.cluster)}  profile ${ring.profile}, view ${ring.view}, ${ring.owners.length - unowned} of ${ring.owners.length} slots have an owner`,
      ...(ring.frozen
        ? [
            out.paint(
              'yellow',
              `frozen by ${ring.frozen.by} until ${localDateTime(ring.frozen.until)}: ${ring.frozen.reason}`,
            ),
          ]
        : []),
      ...(pins.length > 0 ? [`pins: ${pins.map(([slot, node]) => `${slot}=${node}`).join(' ')}`] : []),
      '',
      table(['NODE', 'STATE', '>WEIGHT', '>SLOTS', '>HUNTS', '>INCARNATION', 'SINCE', 'ADDRESS'], nodes, out.paint),
    ].join('\n');
  });
}
