import { type DefinitionFault, pointer } from './definition-fault.ts';
import { instantOf } from './definition-time.ts';
import { looseForm } from './matching.ts';

/**
 * Faults that only show when two places of a definition are compared: doubled ids, dangling references, cycles, inverted
 * windows. Works on the raw value, so that one answer lists these beside the faults of shape; what has no usable shape
 * is passed over here.
 */
export function referenceFaults(raw: unknown): DefinitionFault[] {
  const hunt = record(raw);
  const faults: DefinitionFault[] = [];
  const fault = (path: readonly PropertyKey[], message: string) => faults.push({ path: pointer(path), message });
  const stages = list(hunt.stages).map(record);
  const treasures = list(hunt.treasures).map(record);

  const stageIds = unique(stages, 'stages', 'stage', fault);
  const treasureIds = unique(treasures, 'treasures', 'treasure', fault);
  const team = record(hunt.team);
  unique(list(team.list).map(record), 'team/list', 'team', fault);
  const teamsMax = record(hunt.limits).teams ?? 1_000;
  if (typeof teamsMax === 'number' && list(team.list).length > teamsMax) {
    fault(
      ['team', 'list'],
      `team.list has ${list(team.list).length} teams, limits.teams allows ${teamsMax}: raise the limit or remove teams`,
    );
  }
  if (hunt.entry !== 'team' && list(team.list).length > 0)
    fault(['team', 'list'], 'team.list needs entry: team; this hunt is played solo: set entry or remove the list');
  windowFault(hunt.window, ['window'], fault);

  const clues = new Map<string, string>();
  stages.forEach((stage, s) => {
    windowFault(stage.window, ['stages', s, 'window'], fault);
    const own = new Set<string>();
    list(stage.clues)
      .map(record)
      .forEach((clue, c) => {
        const id = clue.id;
        if (typeof id !== 'string') return;
        own.add(id);
        const first = clues.get(id);
        if (first === undefined) clues.set(id, `/stages/${s}/clues/${c}`);
        else
          fault(
            ['stages', s, 'clues', c, 'id'],
            `clue id ${quote(id)} is used twice in the hunt, first at ${first}: rename one`,
          );
      });
    completeFaults(stage.complete, s, own, treasureIds, fault);
    requireFaults(stage, s, hunt.order, stageIds, fault);
  });
  treasures.forEach((treasure, t) => {
    if (typeof treasure.stage === 'string' && !stageIds.has(treasure.stage)) {
      fault(['treasures', t, 'stage'], `stage ${quote(treasure.stage)} does not exist: name one of the hunt's stages`);
    }
  });
  if (hunt.order === 'graph') {
    for (const s of cyclic(stages, stageIds))
      fault(
        ['stages', s, 'requires'],
        `stage ${quote(String(stages[s]?.id))} requires itself by way of its requirements: break the cycle`,
      );
  }
  return faults;
}

type Raw = Readonly<Record<string, unknown>>;
type Report = (path: readonly PropertyKey[], message: string) => void;

const record = (value: unknown): Raw =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Raw) : {};
const list = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);
const quote = (text: string): string => JSON.stringify(text.slice(0, 64));

function unique(rows: readonly Raw[], at: string, what: string, fault: Report): Map<string, number> {
  const seen = new Map<string, number>();
  rows.forEach((row, i) => {
    const id = row.id;
    if (typeof id !== 'string') return;
    const first = seen.get(id);
    if (first === undefined) seen.set(id, i);
    else
      fault([...at.split('/'), i, 'id'], `${what} id ${quote(id)} is used twice, first at /${at}/${first}: rename one`);
  });
  return seen;
}

function windowFault(value: unknown, path: readonly PropertyKey[], fault: Report): void {
  const { opens, closes } = record(value);
  const from = typeof opens === 'string' ? instantOf(opens) : undefined;
  const to = typeof closes === 'string' ? instantOf(closes) : undefined;
  if (from !== undefined && to !== undefined && to <= from)
    fault([...path, 'closes'], 'closes must be after opens: this window is inverted; swap or move them');
}

function completeFaults(
  value: unknown,
  s: number,
  clues: ReadonlySet<string>,
  treasures: ReadonlyMap<string, number>,
  fault: Report,
): void {
  const complete = record(value);
  const at = ['stages', s, 'complete'];
  const ways = ['answer', 'check_in', 'scan', 'claim'].filter((way) => complete[way] !== undefined);
  if (ways.length !== 1)
    fault(
      at,
      `complete must have exactly one of answer, check_in, scan, claim; it has ${ways.length === 0 ? 'none' : ways.join(', ')}`,
    );
  const answer = record(complete.answer);
  if (typeof answer.clue === 'string' && !clues.has(answer.clue)) {
    fault(
      [...at, 'answer', 'clue'],
      `clue ${quote(answer.clue)} does not exist in this stage: name one of its clues or add it`,
    );
  }
  if (answer.match !== 'exact') {
    list(answer.accept).forEach((text, i) => {
      if (typeof text === 'string' && text.length <= 1_000 && text !== '' && looseForm(text) === '') {
        fault(
          [...at, 'answer', 'accept', i],
          'accept text has only punctuation, of which loose matching leaves nothing: use match: exact',
        );
      }
    });
  }
  const scan = complete.scan;
  if (scan !== undefined) {
    const { code, code_sha256 } = record(scan);
    if ((code === undefined) === (code_sha256 === undefined))
      fault([...at, 'scan'], 'scan must have exactly one of code, code_sha256');
    if (typeof code === 'string' && code !== '' && code.trim() === '')
      fault([...at, 'scan', 'code'], 'code must not consist of spaces alone: codes are compared after trimming');
  }
  const { treasure } = record(complete.claim);
  if (typeof treasure === 'string' && !treasures.has(treasure))
    fault([...at, 'claim', 'treasure'], `treasure ${quote(treasure)} does not exist: name one of the hunt's treasures`);
}

function requireFaults(
  stage: Raw,
  s: number,
  order: unknown,
  stages: ReadonlyMap<string, number>,
  fault: Report,
): void {
  const requires = stage.requires;
  if (requires === undefined) return;
  if (order !== 'graph')
    fault(['stages', s, 'requires'], 'requires is allowed only with order: graph: set it or remove requires');
  const seen = new Set<string>();
  list(requires).forEach((id, r) => {
    if (typeof id !== 'string') return;
    if (!stages.has(id))
      fault(['stages', s, 'requires', r], `stage ${quote(id)} does not exist: name one of the hunt's stages`);
    if (seen.has(id)) fault(['stages', s, 'requires', r], `stage ${quote(id)} is required twice: remove one`);
    seen.add(id);
  });
}

/** Stages on a cycle: what is left of a cycle's strongly connected parts (Tarjan, without recursion, for 500 stages in a row). */
function cyclic(stages: readonly Raw[], ids: ReadonlyMap<string, number>): number[] {
  const edges = stages.map((stage) =>
    list(stage.requires).flatMap((id) => (typeof id === 'string' && ids.has(id) ? [ids.get(id)!] : [])),
  );
  const index = new Array<number>(stages.length).fill(-1);
  const low = new Array<number>(stages.length).fill(0);
  const onStack = new Array<boolean>(stages.length).fill(false);
  const stack: number[] = [];
  const found: number[] = [];
  let next = 0;
  for (let root = 0; root < stages.length; root++) {
    if (index[root] !== -1) continue;
    const path: { node: number; edge: number }[] = [{ node: root, edge: 0 }];
    while (path.length > 0) {
      const frame = path[path.length - 1]!;
      const { node } = frame;
      if (frame.edge === 0 && index[node] === -1) {
        index[node] = low[node] = next++;
        stack.push(node);
        onStack[node] = true;
      }
      const to = edges[node]![frame.edge++];
      if (to !== undefined) {
        if (index[to] === -1) path.push({ node: to, edge: 0 });
        else if (onStack[to]) low[node] = Math.min(low[node]!, index[to]!);
        continue;
      }
      path.pop();
      const parent = path[path.length - 1]?.node;
      if (parent !== undefined) low[parent] = Math.min(low[parent]!, low[node]!);
      if (low[node] !== index[node]) continue;
      const part: number[] = [];
      for (let member = -1; member !== node; ) {
        member = stack.pop()!;
        onStack[member] = false;
        part.push(member);
      }
      if (part.length > 1 || edges[node]!.includes(node)) found.push(...part);
    }
  }
  return found.sort((a, b) => a - b);
}
