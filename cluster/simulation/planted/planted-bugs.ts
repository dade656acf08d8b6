/**
 * Deliberate faults of the engine, each of which the simulation must find. They live here and nowhere in the engine: the code of
 * one module is changed while a worker process loads it (planting-loader.ts), so that production has no switch to pay for,
 * or to be left on. `find` is a piece of the compiled module and must occur exactly once: when the engine changes, a test says
 * which bug has to be planted anew.
 */
export interface Edit {
  /** Below the folder that everything is compiled into. */
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}

export interface PlantedBug {
  readonly name: string;
  /** What of it is untrue then. */
  readonly breaks: string;
  readonly edits: readonly Edit[];
}

const bug = (name: string, breaks: string, file: string, find: string, replace: string): PlantedBug => ({
  name,
  breaks,
  edits: [{ file, find, replace }],
});

const activation = 'runtime/activation/activation.js';
const members = 'runtime/activation/members.js';
const turn = 'runtime/command/turn.js';
const receipts = 'runtime/command/receipts.js';
const logIntake = 'runtime/log/embedded/intake.js';
const router = 'gateway/act/router.js';

export const plantedBugs: readonly PlantedBug[] = [
  bug(
    'ack before durable',
    'I1: answers leave while their record is on its way to the log',
    activation,
    'this.gate.hold(version, answers);',
    'for (const answer of answers) answer.release();\n        return;',
  ),
  bug(
    'nack past the gate',
    'I1: refusals, duplicates and reads do not wait for what they observed',
    activation,
    'this.gate.hold(version, answers);',
    'for (const answer of answers) if (!answer.effect) answer.release();\n        this.gate.hold(version, answers);',
  ),
  bug(
    'output gate releases on the wrong frame',
    'I1: answers leave with the record before theirs',
    'runtime/command/output-gate.js',
    'ticket.version > durable)',
    'ticket.version > durable + 1)',
  ),
  bug(
    'zombie serves reads',
    'reads come from the past: an owner that was replaced does not ask the log before it answers',
    activation,
    '<= this.node.limits.heardMs)',
    '<= Number.POSITIVE_INFINITY)',
  ),
  bug(
    'epoch check left out in the log',
    'I2: a fenced owner goes on appending',
    logIntake,
    'if (fences && epoch < taken)',
    'if (false)',
  ),
  bug(
    'two owners after a partition',
    'I2: the conditional append is left out, so that both succeed',
    logIntake,
    'else if (entry.head === version - 1) {',
    'else if (true) {',
  ),
  bug(
    'append sent again is not recognised',
    'I4: after a broken link what was done is reported as refused',
    logIntake,
    'if (again && entry.head >= version) {',
    'if (false) {',
  ),
  {
    name: 'feed delivers before durable',
    breaks: 'I1: subscribers and readers see what the disk may never have',
    edits: [
      {
        file: 'runtime/log/embedded/commit-lane.js',
        find: 'this.#lastRecords = group.records.length;',
        replace: 'this.#lastRecords = group.records.length;\n        this.onCommitted(group);',
      },
      {
        file: 'runtime/log/embedded/commit-lane.js',
        find: 'this.commits++;\n        this.onCommitted(group);',
        replace: 'this.commits++;',
      },
    ],
  },
  bug(
    'log does not sync',
    'I1: a loss of power takes what was acknowledged',
    'runtime/log/embedded/segments.js',
    '{ syncs: this.syncs }',
    '{ syncs: false }',
  ),
  bug(
    'slot index drops what touches scanned records',
    "I2: a slot's readers miss records (a bug that was here: the simulation found it)",
    'runtime/log/embedded/slot-index.js',
    'cutBefore(end, runs);',
    'while (runs.length > 0 && runs[0] < end) runs.splice(0, 2);',
  ),
  bug(
    'receipts lost on passivation',
    'I4: a command that is sent again after its player was put to sleep has a second effect',
    'runtime/activation/page.js',
    'rows.push([row.id, row.lastSeq, row.receipts,',
    'rows.push([row.id, 0, [],',
  ),
  bug(
    'page saved ahead of the log',
    'I8: a page names one version more than it holds',
    'runtime/activation/write-behind.js',
    'const stored = pages.map((page) => ({\n        page: page.id,\n        foldedTo: version,',
    'const stored = pages.map((page) => ({\n        page: page.id,\n        foldedTo: version + 1,',
  ),
  bug(
    'write-behind saves an uncommitted version',
    'I1: pages are written while their events are in flight',
    'runtime/activation/saving.js',
    'if (this.#quiet.length === 0 || !this.actor.isQuiet)',
    'if (this.#quiet.length === 0)',
  ),
  bug(
    'page ahead of its header is folded twice',
    'I8: after a save that broke off, points double (a bug that was here)',
    members,
    'if (page.rows !== undefined && event.version <= page.foldedTo)',
    'if (false)',
  ),
  bug(
    'late page folds its last event again',
    'I8: the event at which a page was saved counts twice',
    members,
    'if (event.version <= foldedTo)',
    'if (event.version < foldedTo)',
  ),
  bug(
    'dirty pages are let go',
    'I8: decisions are made on rows as they were saved last',
    members,
    'page.rows === undefined || page.dirtyFrom > 0 || ',
    'page.rows === undefined || ',
  ),
  bug(
    'replay off by one',
    'I8: an activation skips the first event behind its header',
    'runtime/activation/loading.js',
    'let from = (saved?.foldedTo ?? 0) + 1;',
    'let from = (saved?.foldedTo ?? -1) + 2;',
  ),
  bug(
    'duplicate answered with a newer outcome',
    'I4: the second reply does not name the first version',
    turn,
    'request.ack(first.version, first.events, true, reply.result);',
    'request.ack(state.version, first.events, true, reply.result);',
  ),
  bug(
    'window of 15 seqs',
    'I4: the sixteenth is forgotten',
    receipts,
    'export const receiptWindow = 16;',
    'export const receiptWindow = 15;',
  ),
  bug(
    'a taken seq is not defended',
    'I4: another action under a seq with an effect is told that it was done',
    receipts,
    'if (receipts[i + 3] !== fingerprint)',
    'if (false)',
  ),
  bug(
    'time falls',
    'I3: `at` follows a clock that was set back',
    turn,
    'this.#at = Math.max(node.clock.now(), state.lastAt);',
    'this.#at = node.clock.now();',
  ),
  bug(
    'alarm fires twice',
    'what an alarm did is not looked at before it does it again',
    'actors/hunt/decide/wake.js',
    'treasure.opens <= at && header.treasures.get(treasure.id)?.released !== true',
    'treasure.opens <= at',
  ),
  bug(
    'one more than the stock',
    'stock falls below zero',
    'actors/hunt/decide/claim.js',
    'claimed >= stock)',
    'claimed > stock)',
  ),
  {
    name: 'hub skips a version',
    breaks: 'I6: what the feed did not bring is read from one version too far on, and the frames hide it',
    edits: [
      {
        file: 'gateway/fan-out/hunt-feed.js',
        find: 'const from = (this.follower.head + 1);',
        replace: 'const from = (this.follower.head + 2);',
      },
      {
        file: 'gateway/fan-out/hub.js',
        find: 'if (event.version !== this.head + 1)',
        replace: 'if (event.version <= this.head)',
      },
    ],
  },
  bug(
    "router resends a designer's command",
    'I4: what has no seq is sent again after its answer was lost',
    router,
    "if (work.kind === 'call' && !work.read) {",
    'if (false) {',
  ),
  {
    name: 'router believes an old owner',
    breaks:
      'answers of a node that was replaced are passed on; and the node does not look either (one of both is enough)',
    edits: [
      {
        file: router,
        find: 'if (moving || !this.#ownedBy(link, command.slot) || command.lane.overtook(command)) {',
        replace: 'if (moving || command.lane.overtook(command)) {',
      },
      {
        file: router,
        find: 'if (moving || (call.read && !this.#ownedBy(link, call.slot))) {',
        replace: 'if (moving) {',
      },
      {
        file: activation,
        find: '<= this.node.limits.heardMs)',
        replace: '<= Number.POSITIVE_INFINITY)',
      },
    ],
  },
  bug(
    'router says BUSY for what may have been done',
    'BUSY promises that nothing was done (a bug that was here: the simulation found it)',
    router,
    "if (command.unknown && nack.code === 'BUSY') {",
    'if (false) {',
  ),
  bug(
    'key is not handed down',
    'I4: a request that another gateway finishes has a second effect',
    'gateway/admin/idempotency.js',
    'key: claim.slice(0, 32) }',
    'key: undefined }',
  ),
];
