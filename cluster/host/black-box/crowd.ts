/**
 * Steadfast players over several hunts, each claiming at a steady pace below its bucket: the light load under which crash tests
 * kill processes, and the verdict over what they saw. They may rest meanwhile, so that a verdict is over something whole.
 */
import assert from 'node:assert/strict';
import type { NewHunt } from './cluster-api.ts';
import type { ClusterProcess } from './cluster-process.ts';
import { delay, until } from './deadline.ts';
import { meadow } from './definitions.ts';
import { judgeEffects, judgeRefusals } from './judge/effects.ts';
import { type Fault, fault, told } from './judge/fault.ts';
import { judgeHistory } from './judge/history.ts';
import { judgeDelivery } from './judge/subscription.ts';
import { SteadfastPlayer } from './steadfast-player.ts';

export interface Member {
  readonly hunt: NewHunt;
  readonly player: SteadfastPlayer;
  readonly ackedAt: number[];
  /** From the first sending of each action to its ack. */
  readonly waits: Wait[];
}

/** Times by performance.now. */
export interface Wait {
  readonly seq: number;
  readonly sentAt: number;
  readonly ms: number;
}

export interface HuntFault extends Fault {
  readonly hunt: number;
}

const flowers = 16;
/** For what is under way when the load rests, and for everybody to hold the end of the history. */
const answeredMsMax = 30_000;
const heldMsMax = 15_000;

export class Crowd {
  readonly members: Member[] = [];
  #going = true;
  #resting = false;
  #running: Promise<void>[] = [];

  private constructor(
    private readonly cluster: ClusterProcess,
    private readonly everyMs: number,
  ) {}

  /** `perHunt` players in each of `hunts` hunts; waits until all have joined and are live. */
  static async gather(
    cluster: ClusterProcess,
    { hunts, perHunt, everyMs }: { readonly hunts: number; readonly perHunt: number; readonly everyMs: number },
  ): Promise<Crowd> {
    const crowd = new Crowd(cluster, everyMs);
    for (let h = 0; h < hunts; h++) {
      const hunt = await cluster.createHunt(meadow(flowers));
      for (let p = 0; p < perHunt; p++) crowd.#add(hunt, `h${h}p${p}`, p % 2 === 0 ? 'json' : 'msgpack');
    }
    for (const { player } of crowd.members) {
      await player.live();
      const joined = await player.act({ type: 'join', name: player.ledger[0]?.player ?? 'P' });
      assert.equal(joined.t, 'ack', JSON.stringify(joined));
    }
    crowd.#running = crowd.members.map((member, i) => crowd.#play(member, i));
    return crowd;
  }

  /** The name is nobody else's: a player has one bucket for all of its hunts. */
  #add(hunt: NewHunt, name: string, codec: 'json' | 'msgpack'): void {
    const ackedAt: number[] = [];
    const waits: Wait[] = [];
    let urls = this.cluster.sockets;
    const player = new SteadfastPlayer({
      urls: () => {
        try {
          urls = this.cluster.sockets;
        } catch {
          // cluster.json is being made anew: the old addresses will do.
        }
        return urls;
      },
      token: this.cluster.playerToken(hunt.hunt_id, name),
      player: name,
      hunt: hunt.hunt_id,
      codec,
      onAck: (ms, seq) => {
        ackedAt.push(performance.now());
        waits.push({ seq, sentAt: performance.now() - ms, ms });
      },
    });
    this.members.push({ hunt, player, ackedAt, waits });
  }

  async #play({ player }: Member, index: number): Promise<void> {
    await delay((this.everyMs * index) / Math.max(1, this.members.length));
    for (let i = 0; this.#going; i++) {
      if (player.hasRoom && !this.#resting) void player.act({ type: 'claim', treasure: `t${i % flowers}` });
      await delay(this.everyMs);
    }
  }

  /** Resolves once every member had an action accepted that was acked after `since` (performance.now). Returns the longest wait. */
  async allAckedSince(since: number, ms = 30_000): Promise<number> {
    const waits = this.members.map(({ player, ackedAt, hunt }) =>
      until(
        `an action of ${player.ledger[0]?.player} in hunt ${hunt.hunt_id} to be accepted (${player.errs.slice(-2).join('; ')})`,
        ms,
        () => ackedAt.find((at) => at > since),
      ),
    );
    return Math.max(...(await Promise.all(waits))) - since;
  }

  /** Nobody sends anything new; resolves when everything is answered. */
  async rest(): Promise<void> {
    this.#resting = true;
    for (const { player } of this.members)
      await until(
        `every act of ${player.ledger[0]?.player} to be answered (${player.errs.slice(-2).join('; ')})`,
        answeredMsMax,
        () => player.inFlight === 0,
      );
  }

  play(): void {
    this.#resting = false;
  }

  /**
   * While everybody rests: what players were told against the log, and what reached their sockets. Empty: nothing was lost or
   * doubled, nobody refused, no hole on any wire.
   */
  async verdict(): Promise<HuntFault[]> {
    const found: HuntFault[] = [];
    for (const hunt of new Set(this.members.map((member) => member.hunt.hunt_id))) {
      const history = await this.cluster.history(hunt);
      const here = this.members.filter((member) => member.hunt.hunt_id === hunt);
      const ledger = here.flatMap(({ player }) => player.ledger);
      const faults = [...judgeHistory(history), ...judgeEffects(history, ledger), ...judgeRefusals(ledger)];
      for (const { player } of here) {
        await until('the end of the history', heldMsMax, () => player.judge.cursor === history.length).catch(() => {
          const who = `${player.ledger[0]?.player} holds version ${player.judge.cursor}`;
          faults.push(fault('unseen', `${who}, the log version ${history.length}`, history.length));
        });
        faults.push(...player.judge.faults, ...judgeDelivery(player.judge, history));
        faults.push(...player.socketFaults.map((detail) => ({ kind: 'socket', detail })));
      }
      found.push(...faults.map((one) => ({ ...one, hunt })));
    }
    return found;
  }

  /** Ends the load, waits for every answer, and judges everything. */
  async judge(): Promise<{ readonly acts: number; readonly reconnects: number }> {
    this.#going = false;
    await Promise.all(this.#running);
    await this.rest();
    const faults = await this.verdict();
    assert.equal(faults.length, 0, `of hunts ${[...new Set(faults.map(({ hunt }) => hunt))]}:\n${told(faults)}`);
    const sum = (of: (player: SteadfastPlayer) => number): number =>
      this.members.reduce((total, { player }) => total + of(player), 0);
    return { acts: sum((player) => player.ledger.length), reconnects: sum((player) => player.reconnects) };
  }

  async stop(): Promise<void> {
    this.#going = false;
    await Promise.all(this.members.map(({ player }) => player.stop()));
  }
}
