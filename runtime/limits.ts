/** Every bound of the runtime that is not an actor kind's own. */
export interface RuntimeLimits {
  /** Appends of one activation in flight; beyond, commands wait and the next turn is fatter. */
  readonly pipelineAppendsMax: number;
  readonly pipelineBytesMax: number;
  /** Commands and reads that wait on this node, and their bytes; beyond: BUSY. */
  readonly waitingRequestsMax: number;
  readonly waitingBytesMax: number;
  /** Commands that wait for one slot while it is being taken, and for how long; beyond: BUSY. */
  readonly takingRequestsMax: number;
  readonly takingWaitMs: number;
  /** An owner that has not heard from the log for so long asks for the head before it answers what appended nothing. */
  readonly heardMs: number;
  /** How long the log is asked about an append of unknown outcome before those who wait are told so. */
  readonly doubtMs: number;
  /** How long an activation tries to read the log before those who wait are told to come again. */
  readonly loadingMs: number;
  /** Write-behind: an activation's pages are written when so many events are only in the log, or after so long. */
  readonly tailEventsMax: number;
  readonly dirtyMs: number;
  /** Activations of one node that are writing pages. */
  readonly savesInFlightMax: number;
  /** Header estimates and member rows together; beyond, idle activations are passivated, least recently used first. */
  readonly activationBytesMax: number;
  /** A slot that is given up finishes what it has for so long. */
  readonly drainMs: number;
  readonly sweepMs: number;
  /** Loads, evolves that failed in a row until the actor is parked. */
  readonly failuresMax: number;
  /** Time travel and walks over all members that run on one node, and that wait to. */
  readonly longReadsMax: number;
  readonly longReadsWaitingMax: number;
  /** A monotonic clock that jumps by more tells that this process was stopped. */
  readonly clockJumpMs: number;
  /** Actors that a newly taken slot brings to life at the same time, only to learn their alarms. */
  readonly alarmLearnersMax: number;
  readonly agendaSaveMs: number;
}

export const defaultRuntimeLimits: RuntimeLimits = {
  pipelineAppendsMax: 8,
  pipelineBytesMax: 1024 * 1024,
  waitingRequestsMax: 65_536,
  waitingBytesMax: 64 * 1024 * 1024,
  takingRequestsMax: 4_096,
  takingWaitMs: 2_000,
  heardMs: 1_000,
  doubtMs: 10_000,
  loadingMs: 10_000,
  tailEventsMax: 3_000,
  dirtyMs: 20_000,
  savesInFlightMax: 4,
  activationBytesMax: 512 * 1024 * 1024,
  drainMs: 5_000,
  sweepMs: 1_000,
  failuresMax: 5,
  longReadsMax: 2,
  longReadsWaitingMax: 64,
  clockJumpMs: 1_000,
  alarmLearnersMax: 8,
  agendaSaveMs: 20_000,
};

/** For `log.read` while an activation loads, and for replays: one chunk, between two turns of the event loop. */
export const readChunkBytes = 1024 * 1024;
/** Bytes of an activation's latest records that stay in memory for duplicates. */
export const recentBytesMax = 8 * 1024;
