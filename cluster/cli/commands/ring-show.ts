import { localDateTime, Output, type OutputFlags, table } from '../output.ts';
import type { FollowerLag, Ring } from '../ring/answers.ts';
import { RingApi } from '../ring/ring-api.ts';
import { isOver, operationsTable } from '../ring/watch-operation.ts';
import { Target, type TargetFlags } from '../target.ts';

const operationsShown = 5;
/** A follower that is behind for less is as good as level. */
const levelSeconds = 2;
const flapsMin = 2;
const followers: Readonly<Record<string, string>> = {
  projection: 'lists are',
  relay: 'live events are',
};

export async function ringShow(flags: TargetFlags & OutputFlags): Promise<void> {
  const out = new Output(flags);
  const ring = await new RingApi(new Target(flags).api()).show();
  out.result(ring, () => describe(ring, out));
}

function describe(ring: Ring, out: Output): string {
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
  const { frozen, operations = [], parked = [], unserved = [], lag = {} } = ring;
  return [
    `${out.paint('bold', ring.cluster)}  profile ${ring.profile}, view ${ring.view}, ${ring.owners.length - unowned} of ${ring.owners.length} slots have an owner`,
    ...(frozen
      ? [
          out.paint('yellow', `frozen by ${frozen.by} until ${localDateTime(frozen.until)}: ${frozen.reason}`),
          ...operations
            .filter((one) => !isOver(one))
            .map(({ id }) => out.paint('yellow', `${id} waits for that: hunt ring unfreeze lets it go on`)),
        ]
      : []),
    ...(pins.length > 0 ? [`pins: ${pins.map(([slot, node]) => `${slot}=${node}`).join(' ')}`] : []),
    '',
    table(['NODE', 'STATE', '>WEIGHT', '>SLOTS', '>HUNTS', '>INCARNATION', 'SINCE', 'ADDRESS'], nodes, out.paint),
    ...(operations.length > 0 ? ['', operationsTable(operations.slice(0, operationsShown), out.paint)] : []),
    ...ring.nodes.flatMap(({ id, removals = 0 }) =>
      removals < flapsMin
        ? []
        : [
            out.paint(
              'yellow',
              `${id} was removed ${removals} times in ten minutes: hunt ring history says who accused it of what`,
            ),
          ],
    ),
    ...unserved.map((one) =>
      out.paint('yellow', `slot ${one.slot} is not served by ${one.node} for ${one.for_ms} ms: ${one.reason}`),
    ),
    ...parked.map((one) => out.paint('red', `${one.hunt} is parked on ${one.node}: ${one.code}, ${one.message}`)),
    ...Object.entries(lag).flatMap(([name, one]) => describeLag(name, one, out)),
  ].join('\n');
}

/** Only what needs a look: a follower that is level says nothing. */
function describeLag(name: string, { events, seconds, parked = [], fault }: FollowerLag, out: Output): string[] {
  const behind = `${followers[name] ?? `${name} is`} ${events} events behind, the oldest for ${seconds.toFixed(1)} s`;
  const isBehind = events > 0 && (seconds >= levelSeconds || fault !== undefined);
  return [
    ...(fault === undefined ? [] : [out.paint('yellow', `${name}: ${fault}`)]),
    ...(isBehind ? [out.paint('yellow', behind)] : []),
    ...parked.map(({ hunt, message }) => out.paint('red', `${hunt} is parked in the ${name}: ${message}`)),
  ];
}
