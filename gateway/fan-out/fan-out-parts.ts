import type { Clock } from '../../runtime/kernel/clock.ts';
import type { Random } from '../../runtime/kernel/random.ts';
import type { Timers } from '../../runtime/kernel/timer.ts';
import type { EventLog } from '../../runtime/log/event-log.ts';
import type { Feed } from '../../runtime/log/feed.ts';
import type { Route } from '../act/route.ts';
import type { LiveMetrics } from '../socket/live-metrics.ts';
import type { EventReader } from './event-reader.ts';
import type { ReplayBlocks } from './replay-block.ts';
import type { SendBudget } from './send-budget.ts';

/** What every hub is made of; one set for a gateway. */
export interface FanOutParts {
  readonly route: Route;
  readonly log: Pick<EventLog, 'read' | 'head'>;
  readonly feed: Feed;
  readonly reader: EventReader;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly metrics: LiveMetrics;
  readonly budget: SendBudget;
  readonly blocks: ReplayBlocks;
  /** More subscribers of a hunt than this on one gateway are served `own`. */
  readonly hotSubscribers: number;
}
