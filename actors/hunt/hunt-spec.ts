import assert from 'node:assert/strict';
import type { ErrorCode } from '../../proto/error-code.ts';
import { ActorSpec, type Played } from '../spec.ts';
import { parseAction } from './action.ts';
import { huntActor } from './actor.ts';
import type { HuntAction } from './command.ts';
import { checkDefinition } from './definition.ts';
import { eventType, type StoredEvent } from './event.ts';
import { fingerprint } from './fingerprint.ts';
import type { PlayerView, Scoreboard, Views } from './interface.ts';
import type { Header, Member } from './state.ts';

/** A hunt played in memory: `ok` and `no` say what a player's action must lead to. */
export class HuntSpec extends ActorSpec<Header, Member, HuntAction, StoredEvent> {
  readonly #seqs = new Map<string, number>();

  static of(definition: object, at?: number): HuntSpec {
    const parsed = checkDefinition(definition);
    assert.ok(parsed.ok, parsed.ok ? '' : JSON.stringify(parsed.errors));
    const hunt = new HuntSpec(huntActor, 1_000_000_007, at);
    const created = hunt.command('create', {
      definition: parsed.definition,
      owner: 'dora',
      join_code: 'ABCDEF',
      lineage: 'L1',
    });
    assert.equal(created.code, undefined);
    return hunt;
  }

  act(player: string, value: Record<string, unknown>): Played<StoredEvent> {
    const parsed = parseAction(value);
    if (!parsed.ok) return { code: 'INVALID', events: [] };
    const seq = (this.#seqs.get(player) ?? 0) + 1;
    this.#seqs.set(player, seq);
    return this.when({ player, seq, fingerprint: fingerprint(parsed.action), action: parsed.action.action! });
  }

  ok(player: string, action: Record<string, unknown>, want: Record<string, unknown> = {}): Record<string, unknown> {
    const played = this.act(player, action);
    assert.equal(
      played.code,
      undefined,
      `${player} ${action.type}: ${played.refusal?.code} ${played.refusal?.message}`,
    );
    const result = (played.reply as { result: Record<string, unknown> }).result;
    for (const [key, value] of Object.entries(want))
      assert.deepEqual(
        key === 'events' ? played.events.length : result[key],
        value,
        `${player} ${action.type}: ${key}`,
      );
    return result;
  }

  no(
    player: string,
    action: Record<string, unknown>,
    code: ErrorCode,
    detail: Record<string, unknown> = {},
  ): Played<StoredEvent> {
    const played = this.act(player, action);
    assert.equal(
      played.code,
      code,
      `${player} ${JSON.stringify(action)}: ${played.refusal?.message ?? JSON.stringify(played.reply)}`,
    );
    for (const [key, value] of Object.entries(detail))
      assert.deepEqual(played.refusal?.detail?.[key], value, `${player} ${action.type}: detail.${key}`);
    return played;
  }

  verb(name: string, body: Record<string, unknown> = {}): Record<string, unknown> {
    const played = this.command(name, { by: 'dora', ...body });
    assert.equal(played.code, undefined, `${name}: ${played.refusal?.code} ${played.refusal?.message}`);
    return (played.reply as { result: Record<string, unknown> }).result;
  }

  refusedVerb(name: string, body: Record<string, unknown>, code: ErrorCode): void {
    assert.equal(this.command(name, { by: 'dora', ...body }).code, code, `${name} ${JSON.stringify(body)}`);
  }

  view(player: string): PlayerView {
    return (this.query('views', { players: [player], hunt: false }) as Views).players[player]!;
  }

  get board(): Scoreboard {
    return this.query('scoreboard', { limit: 1_000, offset: 0 }) as Scoreboard;
  }

  get types(): string[] {
    return this.events.map(eventType);
  }

  later(ms: number): this {
    this.at += ms;
    return this;
  }

  /** The versions at which events of that type stand. */
  versionsOf(type: string): number[] {
    return this.events.filter((event) => eventType(event) === type).map(({ version }) => version);
  }
}
