/** What subscribers were sent (I1, I6): no hole, nothing that the log does not have, nothing of theirs left out. */
import { judgeDelivery } from '../../host/black-box/judge/subscription.ts';
import type { HuntEvidence } from '../evidence.ts';
import type { Followed } from '../history.ts';

export function checkStream(
  { hunt, events }: HuntEvidence,
  { tag, player, judge, modes }: Followed,
  isSolo: boolean,
): string[] {
  const found = [...judge.faults];
  const delivery = judgeDelivery(judge, events);
  if (!modes.has('own')) found.push(...delivery);
  else {
    found.push(...delivery.filter(({ kind }) => kind !== 'omitted'));
    // Whose a team's events are depends on when its members came and went; of a solo player all are plain.
    if (isSolo && player !== undefined)
      found.push(
        ...judgeDelivery(judge, events, (event) => event.player === player || event.player.startsWith('@')).filter(
          ({ kind }) => kind === 'omitted',
        ),
      );
  }
  return found
    .slice(0, 6)
    .map(
      ({ kind, detail, version }) =>
        `hunt ${hunt}, ${tag}${version === undefined ? '' : ` at version ${version}`}: ${kind}: ${detail}`,
    );
}
