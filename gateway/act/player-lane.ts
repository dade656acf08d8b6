/**
 * One player's unanswered commands in one hunt, in the order in which they came. It keeps that order across retries: a
 * command that has to be sent again must not be decided behind a later one of the same player, or a `claim` would be
 * refused because its `join` was on the way. What was decided with an effect stays decided; a refusal without effect that
 * overtook an earlier command is worth nothing and is asked for again (I4: such refusals are not remembered).
 */
import type { PendingCommand } from './pending.ts';

/** PROTOCOL.md: at most so many commands of one player and hunt are in flight. */
export const inFlightMax = 16;

export class PlayerLane {
  readonly #commands: PendingCommand[] = [];

  constructor(readonly key: string) {}

  get full(): boolean {
    return this.#commands.length >= inFlightMax;
  }
  get empty(): boolean {
    return this.#commands.length === 0;
  }

  add(command: PendingCommand): void {
    this.#commands.push(command);
  }

  remove(command: PendingCommand): void {
    const at = this.#commands.indexOf(command);
    if (at >= 0) this.#commands.splice(at, 1);
  }

  /** Whether an earlier command of this player still has to be sent. */
  overtook(command: PendingCommand): boolean {
    for (const earlier of this.#commands) {
      if (earlier.serial >= command.serial) return false;
      if (earlier.where === 'waiting' || earlier.where === 'boxed') return true;
    }
    return false;
  }
}
