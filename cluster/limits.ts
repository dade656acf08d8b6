/** The times and bounds of membership and handoffs, in one place: they only make sense together. */

/** Of a node's watch: how often it asks its neighbours, and how many of them. */
export const probeIntervalMs = 250;
export const neighboursWatched = 3;
/** No answer for so long is a suspicion. Well above what a busy machine of two cores makes a healthy node wait. */
export const silentMsMax = 2_000;
/** A node that has not heard from its log for so long, while the asker has, cannot commit. */
export const stuckMsMax = 2_000;
/** Two accusers must agree within this time. */
export const suspicionWindowMs = 5_000;
/** An accuser that goes on finding a node dead says so again: at first often, later rarely. */
export const accuseAgainMs = 2_500;
export const accuseAgainMsMax = 60_000;
/** Who has never been heard gets time to start: after its own joining, and after the accuser's. */
export const joinGraceMs = 3_000;
export const accuserGraceMs = 10_000;

/** When for so long it could not be said that a node is dead (the view's log is away), the next in order may stand in for it. */
export const unsaidMsMax = 1_500;

/** A node that stopped cleanly and does not come back, one that never came: their slots go to the others. */
export const leftGraceMs = 2_000;
export const joiningGraceMs = 15_000;
/** A node that came back after it was removed is given slots again after this time, doubled with each removal of late. */
export const homecomingMs = 5_000;
export const homecomingMsMax = 300_000;
export const flapMemoryMs = 600_000;

/** A slot is handed over, and then served, within these; else the operation gives up on it. */
export const handoffMsMax = 15_000;
export const serveMsMax = 15_000;
/** The canary's verdict may come so much later than the time that it was watched for. */
export const verdictMsMax = 5_000;
/** Slots of one operation that are under way at once. */
export const movesInFlightMax = 8;
/** What nobody gave a pace for: a node of nine is empty, or has its share, within seconds. */
export const drainMovesPerS = 24;
export const joinMovesPerS = 24;
export const joinCanaryS = 1;
/** The owner of a slot writes pages for so long before it stops serving it; the rest stays in the log. */
export const prepareMsMax = 5_000;
