/** One connection, and what is asked through it. */
import type { Clock } from '../../kernel/clock.ts';
import type { Random } from '../../kernel/random.ts';
import type { Timers } from '../../kernel/timer.ts';
import { Inbox } from './inbox.ts';
import { JetStreamApi } from './jetstream-api.ts';
import { NatsLink } from './nats-link.ts';
import { Requests } from './requests.ts';

export interface LineOptions {
  readonly servers: readonly string[];
  readonly name: string;
  readonly connectMs: number;
  readonly patienceMs: number;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
}

export class Line {
  readonly inbox: Inbox;
  readonly requests: Requests;
  readonly api: JetStreamApi;

  private constructor(
    readonly link: NatsLink,
    patienceMs: number,
  ) {
    this.inbox = new Inbox(link);
    this.requests = new Requests(link, this.inbox, patienceMs);
    this.api = new JetStreamApi(this.requests);
  }

  static async open(options: LineOptions): Promise<Line> {
    return new Line(await NatsLink.open(options), options.patienceMs);
  }

  async close(): Promise<void> {
    this.requests.close();
    await this.link.close();
  }
}
