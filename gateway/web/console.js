/**
 * The designers' and operators' page. The token comes by the fragment and stays in this tab alone; everything else is
 * asked of the gateway or pushed by its socket, through the client SDK, which reconnects and resumes by itself.
 */
import { HttpApi, HuntClient } from '/assets/sdk/index.js';
import {
  boardRows,
  claimsOf,
  element,
  find,
  keep,
  kept,
  session,
  socketUrl,
  timeOf,
  toast,
  tokenFromFragment,
} from './dom.js';

const clusterPollMs = 2_000;
const readyPollMs = 5_000;
const tickerEventsMax = 200;

let token;
let api;
let client;
let shown;

function start() {
  token = tokenFromFragment() ?? kept(session, 'console-token');
  const claims = token === undefined ? undefined : claimsOf(token);
  if (claims === undefined || claims.role === 'player') {
    if (claims !== undefined) toast('A player’s token does not open the console.');
    find('entrance').hidden = false;
    return;
  }
  keep(session, 'console-token', token);
  api = new HttpApi({ url: location.origin, token });
  client = new HuntClient({ url: socketUrl(), token });
  client.on('ready', () => line('live', 'good'));
  client.on('waiting', ({ retryMs }) => line(`reconnecting in ${Math.ceil(retryMs / 1000)} s`, 'fault'));
  client.on('closed', (error) => {
    line('closed', 'fault');
    toast(error.message);
  });
  find('who').textContent = `${claims.sub} · ${claims.role}`;
  find('forget').hidden = false;
  for (const id of ['open', 'create']) find(id).hidden = false;
  if (claims.role === 'operator') {
    find('cluster').hidden = false;
    void repeat(clusterPollMs, showCluster);
  }
  const hunt = kept(session, 'console-hunt');
  if (hunt !== undefined) void attempt(() => showHunt(hunt));
}

function line(text, tone) {
  const badge = find('line');
  badge.textContent = text;
  badge.className = `badge ${tone}`;
}

/** Runs again and again, each time some ms after the last run ended; a hidden page does not ask. */
async function repeat(ms, run) {
  for (;;) {
    if (!document.hidden) await run().catch(() => undefined);
    await new Promise((resolve) => setTimeout(resolve, ms));
  }
}

/** What fails is told where the user looks. */
async function attempt(run) {
  try {
    return await run();
  } catch (error) {
    toast(error.message);
    return undefined;
  }
}

async function showReady() {
  const badge = find('ready');
  try {
    const answer = await fetch('/readyz', { cache: 'no-store' });
    const { checks } = await answer.json();
    const failed = checks.filter((check) => !check.ok);
    badge.textContent = answer.ok ? 'ready' : `not ready: ${failed.map((check) => check.name).join(', ')}`;
    badge.className = `badge ${answer.ok ? 'good' : 'fault'}`;
    badge.title = checks
      .map((check) => `${check.ok ? '✓' : '✗'} ${check.name}${check.detail ? `: ${check.detail}` : ''}`)
      .join('\n');
  } catch {
    badge.textContent = 'gateway unreachable';
    badge.className = 'badge fault';
  }
}

async function showCluster() {
  let view;
  try {
    view = await api.cluster();
  } catch (error) {
    find('cluster-note').textContent = error.message;
    return;
  }
  find('cluster-name').textContent = `${view.cluster} · ${view.profile}`;
  find('cluster-view').textContent = `view ${view.view}`;
  const unowned = view.owners.filter((owner) => !owner).length;
  const frozen =
    view.frozen === null || view.frozen === undefined ? '' : ` Frozen by ${view.frozen.by}: ${view.frozen.reason}.`;
  find('cluster-note').textContent =
    `${view.owners.length - unowned} of ${view.owners.length} slots have an owner.${frozen}`;
  const most = Math.max(1, ...view.nodes.map((node) => node.slots));
  find('nodes').replaceChildren(
    ...view.nodes.map((node) =>
      element(
        'tr',
        {},
        element('td', {}, node.id),
        element('td', { className: node.state === 'active' ? 'good' : 'fault' }, node.state),
        element('td', { className: 'n' }, String(node.slots)),
        element('td', {}, element('meter', { min: 0, max: most, value: node.slots, title: `${node.slots} slots` })),
        element('td', { className: 'n' }, String(node.hunts)),
        element('td', { className: 'n' }, String(node.weight)),
        element('td', {}, timeOf(node.since)),
      ),
    ),
  );
}

/** A join code leads to its hunt by the players' way in; the token that this gives is not used. */
async function huntOf(which) {
  if (/^[1-9]\d{0,15}$/.test(which)) return Number(which);
  return (await api.join(which, 'console')).hunt_id;
}

async function showHunt(id) {
  const hunt = await api.hunt(id);
  shown?.session.close();
  find('events').replaceChildren();
  for (const card of ['hunt', 'board-card', 'events-card']) find(card).hidden = false;
  keep(session, 'console-hunt', id);
  const live = client.session(id, { from: Math.max(0, hunt.version - 50), lineage: hunt.lineage });
  shown = { id, session: live };
  tell(hunt);
  showBoard(hunt.state);
  live.on('event', (event) => {
    addEvent(event);
    if (/^(Hunt|DefinitionPublished)/.test(event.type) || /^Player(Joined|Left)$/.test(event.type)) refresh();
  });
  live.on('board', (board) => showBoard(board));
  live.on('live', ({ version }) => {
    find('cursor').textContent = `up to ${version}`;
  });
  live.on('reset', () => find('events').replaceChildren());
  live.on('closed', (error) => {
    if (shown?.session === live && error.code !== 'CLOSED') toast(error.message);
  });
}

function tell(hunt) {
  find('hunt-title').textContent = hunt.title;
  find('hunt-status').textContent = hunt.status;
  const when = (name, at) => (at === undefined ? '' : ` · ${name} ${new Date(at).toLocaleString()}`);
  find('hunt-facts').textContent =
    `Hunt ${hunt.hunt_id} · join code ${hunt.join_code} · ${hunt.players} players · slot ${hunt.slot} · owner ${hunt.owner}${when('opens', hunt.opens_at)}${when('closes', hunt.closes_at)}`;
}

let refreshing;
/** The facts above the board, at most once a second however many events come. */
function refresh() {
  if (refreshing !== undefined) return;
  refreshing = setTimeout(async () => {
    refreshing = undefined;
    const id = shown?.id;
    const hunt = id === undefined ? undefined : await api.hunt(id).catch(() => undefined);
    if (hunt !== undefined && shown?.id === id) tell(hunt);
  }, 1_000);
}

function showBoard(board) {
  find('entrants').textContent = `${board.entrants} entrants`;
  find('board').replaceChildren(...boardRows(board.top));
}

const eventFacts = ['team', 'stage', 'treasure', 'name', 'text', 'reason', 'voids'];
function addEvent(event) {
  const facts = eventFacts.filter((name) => event[name] !== undefined).map((name) => `${name} ${event[name]}`);
  const list = find('events');
  list.prepend(
    element(
      'li',
      {},
      element('span', { className: 'faint' }, `${event.version} · ${timeOf(event.at)} `),
      `${event.type} `,
      element('strong', {}, event.player.startsWith('@') ? '' : event.player),
      ` ${facts.join(' · ')} `,
      event.points ? element('span', { className: 'points' }, `${event.points > 0 ? '+' : ''}${event.points}`) : '',
    ),
  );
  while (list.childElementCount > tickerEventsMax) list.lastElementChild.remove();
  find('cursor').textContent = `up to ${event.version}`;
}

function showCreation(...lines) {
  find('create-answer').replaceChildren(...lines);
}

find('token-form').addEventListener('submit', (event) => {
  event.preventDefault();
  keep(session, 'console-token', find('token').value.trim());
  location.reload();
});
find('forget').addEventListener('click', () => {
  keep(session, 'console-token', undefined);
  keep(session, 'console-hunt', undefined);
  location.reload();
});
find('open-form').addEventListener('submit', (event) => {
  event.preventDefault();
  void attempt(async () => showHunt(await huntOf(find('open-which').value.trim())));
});
find('create-form').addEventListener('submit', async (event) => {
  event.preventDefault();
  const definition = find('definition').value;
  try {
    if (event.submitter?.value === 'try') {
      const { warnings } = await api.createHunt(definition, { dryRun: true });
      showCreation(
        element('p', { className: 'good' }, 'The definition is sound.'),
        ...warnings.map((text) => element('p', { className: 'faint' }, text)),
      );
      return;
    }
    const made = await api.createHunt(definition);
    showCreation(
      element(
        'p',
        { className: 'good' },
        `Hunt ${made.hunt_id} was created. Its join code is ${made.join_code}: players go to ${location.origin}/play/${made.join_code}`,
      ),
    );
    await attempt(() => showHunt(made.hunt_id));
  } catch (error) {
    showCreation(
      element('p', { className: 'fault' }, error.message),
      ...(error.errors ?? []).map(({ path, message }) =>
        element('p', { className: 'fault' }, `${path || '/'}: ${message}`),
      ),
    );
  }
});
find('verbs').addEventListener('click', (event) => {
  const verb = event.target.dataset?.verb;
  if (verb === undefined || shown === undefined) return;
  if (verb === 'close' && !confirm('Close the hunt for good?')) return;
  void attempt(async () => {
    const { status } = await api.steer(shown.id, verb);
    find('hunt-status').textContent = status;
  });
});
find('announce-form').addEventListener('submit', (event) => {
  event.preventDefault();
  const box = find('announcement');
  void attempt(async () => {
    await api.announce(shown.id, box.value);
    box.value = '';
  });
});

addEventListener('hashchange', () => location.reload());
start();
void repeat(readyPollMs, showReady);
