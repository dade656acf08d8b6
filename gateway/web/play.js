/**
 * The players' page, for a phone in the hand. Joins by code, keeps the token on this device, and plays over the socket
 * through the client SDK, which reconnects, resumes and resends by itself. It draws what `me` says, and nothing else.
 */
import { HttpApi, HuntClient } from '/assets/sdk/index.js';
import {
  boardRows,
  claimsOf,
  element,
  find,
  keep,
  kept,
  local,
  socketUrl,
  timeOf,
  toast,
  tokenFromFragment,
} from './dom.js';

const newsMax = 50;
const positionTimeoutMs = 15_000;

let play;

function start() {
  const code = decodeURIComponent(location.pathname.split('/')[2] ?? '').toUpperCase();
  const given = tokenFromFragment();
  const claims = given === undefined ? undefined : claimsOf(given);
  if (typeof claims?.hunt === 'number') {
    keep(local, 'play', { token: given, hunt: claims.hunt, name: claims.name ?? claims.sub, code: '' });
  }
  const before = kept(local, 'play');
  const expired = before !== undefined && (claimsOf(before.token)?.exp ?? 0) * 1000 < Date.now();
  if (before !== undefined && !expired && (code === '' || code === before.code)) {
    enter(before);
    return;
  }
  find('code').value = code;
  find('name').value = before?.name ?? '';
  find('entrance').hidden = false;
}

find('join-form').addEventListener('submit', async (event) => {
  event.preventDefault();
  const button = event.currentTarget.querySelector('button');
  button.disabled = true;
  find('join-fault').textContent = '';
  try {
    const code = find('code').value.trim().toUpperCase();
    const name = find('name').value.trim();
    const joined = await new HttpApi({ url: location.origin }).join(code, name);
    const seat = { token: joined.token, hunt: joined.hunt_id, name, code };
    keep(local, 'play', seat);
    history.replaceState(null, '', `/play/${encodeURIComponent(code)}`);
    enter(seat);
  } catch (error) {
    find('join-fault').textContent = error.message;
  } finally {
    button.disabled = false;
  }
});

function enter(seat) {
  find('entrance').hidden = true;
  const client = new HuntClient({ url: socketUrl(), token: seat.token });
  const session = client.session(seat.hunt);
  play = { seat, client, session, joining: false };
  client.on('ready', () => line('live', 'good'));
  client.on('waiting', () => line('reconnecting…', 'fault'));
  client.on('closed', (error) => {
    line('offline', 'fault');
    if (error.code === 'UNAUTHENTICATED' || error.code === 'FORBIDDEN') forget();
    if (error.code !== 'CLOSED') toast(error.message);
  });
  session.on('hunt', (hunt) => {
    find('title').textContent = hunt.title;
    document.title = hunt.title;
    draw();
  });
  session.on('me', () => draw());
  session.on('board', () => {
    drawBoard();
    drawScore();
  });
  session.on('event', (event) => {
    news(event);
    if (event.type.startsWith('Hunt')) draw();
  });
  session.on('live', () => void joinIfNew());
  session.on('closed', (error) => {
    if (error.code === 'HUNT_NOT_FOUND' || error.code === 'FORBIDDEN') forget();
  });
  line('connecting…', '');
}

function forget() {
  keep(local, 'play', undefined);
}

function line(text, tone) {
  const badge = find('line');
  badge.hidden = false;
  badge.textContent = text;
  badge.className = `badge ${tone}`;
}

/** The token lets in; the `join` action makes a player. */
async function joinIfNew() {
  const { session, seat } = play;
  if (play.joining || session.me?.status !== 'none') return;
  play.joining = true;
  await act({ type: 'join', name: seat.name });
  play.joining = false;
}

/** Every action, with what came of it told in a sentence. */
async function act(action, done) {
  try {
    const reply = await play.session.act(action);
    if (reply.t === 'ack') {
      const { points } = reply.result;
      toast(`${done ?? 'Done.'}${points ? ` ${points > 0 ? '+' : ''}${points} points.` : ''}`);
      return reply.result;
    }
    const left = reply.detail?.attempts_left;
    const distance = reply.detail?.distance_m;
    toast(
      `${reply.message}${left === undefined ? '' : ` (${left} tries left)`}${distance === undefined ? '' : ` (${Math.round(distance)} m away)`}`,
    );
  } catch (error) {
    toast(error.message);
  }
  return undefined;
}

function draw() {
  const { hunt, me } = play.session;
  const status = find('status');
  if (hunt !== undefined) {
    status.hidden = false;
    status.textContent = hunt.status;
  }
  if (me === undefined || me === null) return;
  const playing = me.status === 'joined' && hunt?.status !== 'closed';
  const teamless = playing && hunt?.entry === 'team' && me.team === undefined;
  find('leaving').hidden = !playing;
  find('here').hidden = !playing || teamless || hunt?.status !== 'open';
  find('teams').hidden = !teamless;
  if (teamless) drawTeams(hunt.teams ?? []);
  drawNotice(hunt, me);
  drawScore();
  drawStages(hunt, me);
  drawTreasures(me, playing);
  drawBoard();
}

function drawNotice(hunt, me) {
  const text =
    me.status === 'finished'
      ? 'You have finished. Well played!'
      : me.status === 'disqualified'
        ? 'You were disqualified. Ask the organisers.'
        : me.status === 'left'
          ? 'You left this hunt.'
          : hunt?.status === 'draft' || hunt?.status === 'scheduled'
            ? `The hunt has not begun yet.${hunt.opens_at === undefined ? '' : ` It opens ${new Date(hunt.opens_at).toLocaleString()}.`}`
            : hunt?.status === 'paused'
              ? 'The hunt is paused for the moment.'
              : hunt?.status === 'closed'
                ? 'The hunt is over.'
                : undefined;
  find('notice').hidden = text === undefined && hunt?.description === undefined;
  find('notice-text').textContent = text ?? hunt?.description ?? '';
}

function drawScore() {
  const { me, board } = play.session;
  if (!me) return;
  const place = board?.me?.rank ?? me.rank;
  find('score').hidden = false;
  find('score').textContent = `${me.total} points${place === undefined ? '' : ` · place ${place}`}`;
}

function drawTeams(teams) {
  find('team-list').replaceChildren(
    ...teams.map((team) =>
      element(
        'button',
        { type: 'button', className: 'quiet', onclick: () => joinTeam(team.team, team.name) },
        `${team.name} (${team.size})`,
      ),
    ),
  );
}
async function joinTeam(team, name) {
  const pin = prompt(`PIN of ${name}, if it has one`) ?? undefined;
  if (pin === undefined) return;
  await act({ type: 'join_team', team, ...(pin === '' ? {} : { pin }) }, `You are in ${name}.`);
}

/** Stages are drawn again only when they changed, and never under the hands of someone who types in one. */
const drawn = new Map();
function drawStages(hunt, me) {
  const box = find('stages');
  const order = [...new Set([...(hunt?.stages ?? []).map((stage) => stage.id), ...Object.keys(me.stages)])];
  for (const [id, old] of drawn) {
    if (order.includes(id)) continue;
    old.card.remove();
    drawn.delete(id);
  }
  for (const id of order) {
    const stage = me.stages[id];
    if (stage === undefined) continue;
    const key = JSON.stringify(stage);
    const old = drawn.get(id);
    if (old?.key === key) continue;
    const typed = Object.fromEntries(
      [...(old?.card.querySelectorAll('input') ?? [])].map((input) => [input.name, input.value]),
    );
    const focused = old?.card.contains(document.activeElement) ? document.activeElement.name : undefined;
    const card = stageCard(id, stage);
    for (const input of card.querySelectorAll('input'))
      if (stage.state === 'open') input.value = typed[input.name] ?? '';
    if (old === undefined) box.append(card);
    else old.card.replaceWith(card);
    if (focused) card.querySelector(`input[name="${CSS.escape(focused)}"]`)?.focus();
    drawn.set(id, { key, card });
  }
}

const stateWords = { locked: 'locked', open: 'open', done: 'done', skipped: 'skipped', failed: 'failed' };
function stageCard(id, stage) {
  const card = element('section', { className: `card ${stage.state === 'locked' ? 'locked' : ''}` });
  card.append(
    element(
      'div',
      { className: 'row between' },
      element('h3', {}, stage.title ?? 'A stage still hidden'),
      element(
        'span',
        { className: 'row' },
        stage.points === undefined ? '' : element('span', { className: 'points' }, `${stage.points}`),
        element(
          'span',
          { className: `badge ${stage.state === 'done' ? 'good' : ''}` },
          stateWords[stage.state] ?? stage.state,
        ),
      ),
    ),
  );
  if (stage.text) card.append(element('p', {}, stage.text));
  if (stage.state === 'open') card.append(...openStage(id, stage));
  if (stage.after) card.append(element('p', { className: 'good' }, stage.after));
  return card;
}

function openStage(id, stage) {
  const parts = [];
  if (stage.locked_until !== undefined && stage.locked_until > play.client.now())
    parts.push(element('p', { className: 'fault' }, `Locked until ${timeOf(stage.locked_until)}.`));
  if (stage.attempts_left !== undefined)
    parts.push(element('p', { className: 'faint' }, `${stage.attempts_left} tries left`));
  if (stage.pin !== undefined) {
    const { lat, lon, radius_m: radius } = stage.pin;
    parts.push(
      element(
        'p',
        {},
        element('a', { href: `geo:${lat},${lon}` }, `${lat.toFixed(5)}, ${lon.toFixed(5)}`),
        ` (within ${radius} m)`,
      ),
    );
  }
  for (const [clue, view] of Object.entries(stage.clues ?? {})) parts.push(...clueParts(clue, view));
  parts.push(
    element(
      'div',
      { className: 'row' },
      element(
        'button',
        {
          type: 'button',
          className: 'quiet',
          onclick: () => confirm('Skip this stage?') && act({ type: 'skip', stage: id }, 'Skipped.'),
        },
        'Skip',
      ),
    ),
  );
  return parts;
}

function clueParts(clue, view) {
  const parts = [element('p', {}, view.text)];
  if (view.media)
    parts.push(
      element(
        'p',
        {},
        element('img', { src: view.media, alt: 'Picture of the clue', loading: 'lazy', referrerPolicy: 'no-referrer' }),
      ),
    );
  if (view.hints.length > 0)
    parts.push(element('ul', { className: 'hints' }, ...view.hints.map((hint) => element('li', {}, hint))));
  const answer = (text) => act({ type: 'answer', clue, text }, 'Right!');
  if (view.choices) {
    parts.push(
      element(
        'div',
        { className: 'row' },
        ...view.choices.map((choice) =>
          element('button', { type: 'button', className: 'quiet', onclick: () => answer(choice) }, choice),
        ),
      ),
    );
  } else {
    const input = element('input', {
      name: `answer-${clue}`,
      maxLength: 500,
      autocomplete: 'off',
      placeholder: 'your answer',
      required: true,
    });
    input.setAttribute('aria-label', 'Your answer');
    parts.push(
      element(
        'form',
        {
          className: 'row',
          onsubmit: (event) => {
            event.preventDefault();
            void answer(input.value).then((result) => {
              if (result !== undefined) input.value = '';
            });
          },
        },
        input,
        element('button', {}, 'Answer'),
      ),
    );
  }
  if (view.hints_left > 0) {
    const cost = view.next_hint_cost ? ` (−${view.next_hint_cost})` : '';
    const wait =
      view.next_hint_at !== undefined && view.next_hint_at > play.client.now()
        ? ` at ${timeOf(view.next_hint_at)}`
        : '';
    parts.push(
      element(
        'p',
        { className: 'row' },
        element(
          'button',
          { type: 'button', className: 'quiet', onclick: () => act({ type: 'hint', clue }, 'A hint for you.') },
          `Hint${cost}${wait}`,
        ),
      ),
    );
  }
  return parts;
}

function drawTreasures(me, playing) {
  const treasures = Object.entries(me.treasures);
  find('treasures-card').hidden = treasures.length === 0;
  find('treasures').replaceChildren(
    ...treasures.map(([id, treasure]) => {
      const facts = [
        `${treasure.points} points`,
        treasure.stock_left === undefined ? '' : `${treasure.stock_left} left`,
        treasure.mine > 0 ? `yours: ${treasure.mine}` : '',
      ]
        .filter(Boolean)
        .join(' · ');
      return element(
        'div',
        { className: 'row between' },
        element('span', {}, treasure.title, ' ', element('span', { className: 'faint' }, facts)),
        element(
          'button',
          { type: 'button', className: 'quiet', disabled: !playing, onclick: () => claim(id) },
          'Claim',
        ),
      );
    }),
  );
}

/** Whether a treasure wants a position or a code is not told beforehand: ask for what the refusal names. */
async function claim(treasure) {
  const reply = await play.session
    .act({ type: 'claim', treasure })
    .catch((error) => ({ t: 'nack', code: error.code, message: error.message }));
  if (reply.t === 'ack') {
    toast(`It is yours! +${reply.result.points} points.`);
    return;
  }
  if (reply.code === 'INVALID') {
    const place = await position();
    if (place !== undefined) await act({ type: 'claim', treasure, ...place }, 'It is yours!');
    return;
  }
  if (reply.code === 'WRONG_CODE') {
    const code = prompt('The code of this treasure');
    if (code) await act({ type: 'claim', treasure, code }, 'It is yours!');
    return;
  }
  toast(reply.message);
}

function drawBoard() {
  const { board, hunt, me } = play.session;
  const top = board?.top ?? hunt?.top ?? [];
  find('board-card').hidden = top.length === 0;
  find('entrants').textContent = `${board?.entrants ?? hunt?.entrants ?? top.length} take part`;
  find('board').replaceChildren(...boardRows(top, me?.team ?? me?.player));
}

const newsWords = {
  Announced: (event) => event.text,
  HuntOpened: () => 'The hunt is open!',
  HuntPaused: (event) => `The hunt is paused. ${event.reason ?? ''}`,
  HuntResumed: () => 'The hunt goes on.',
  HuntClosed: () => 'The hunt is over.',
  HuntExtended: (event) => `The hunt now closes ${new Date(event.closes_at).toLocaleString()}.`,
  TreasureReleased: () => 'A new treasure can be found.',
  ScoreAdjusted: (event) => (isMine(event) ? `Your score was changed by ${event.points}: ${event.reason}` : undefined),
};
const isMine = (event) =>
  event.player === play.session.me?.player || (event.team !== undefined && event.team === play.session.me?.team);
function news(event) {
  const text = newsWords[event.type]?.(event);
  if (text === undefined) return;
  if (event.type === 'Announced') toast(text);
  find('news-card').hidden = false;
  const list = find('news');
  list.prepend(element('li', {}, element('span', { className: 'faint' }, `${timeOf(event.at)} `), text));
  while (list.childElementCount > newsMax) list.lastElementChild.remove();
}

/** Where the device is, or undefined after saying why that is not known. */
function position() {
  const where = find('where');
  if (!('geolocation' in navigator)) {
    toast('This device does not tell its position.');
    return Promise.resolve(undefined);
  }
  where.textContent = 'looking where you are…';
  return new Promise((resolve) => {
    navigator.geolocation.getCurrentPosition(
      ({ coords }) => {
        where.textContent = `accurate to ${Math.round(coords.accuracy)} m`;
        resolve({ lat: coords.latitude, lon: coords.longitude, accuracy: coords.accuracy });
      },
      (error) => {
        where.textContent = '';
        toast(
          error.code === error.PERMISSION_DENIED
            ? 'Allow this page to know your position, then try again.'
            : 'Your position could not be found: try again under open sky.',
        );
        resolve(undefined);
      },
      { enableHighAccuracy: true, timeout: positionTimeoutMs, maximumAge: 5_000 },
    );
  });
}

find('check-in').addEventListener('click', async (event) => {
  const button = event.currentTarget;
  button.disabled = true;
  const place = await position();
  if (place !== undefined) await act({ type: 'check_in', ...place }, 'You are here!');
  button.disabled = false;
});
find('scan-form').addEventListener('submit', async (event) => {
  event.preventDefault();
  const box = find('scan');
  if ((await act({ type: 'scan', code: box.value.trim() }, 'That is the one!')) !== undefined) box.value = '';
});
find('team-form').addEventListener('submit', (event) => {
  event.preventDefault();
  const box = find('team-name');
  void act({ type: 'create_team', name: box.value.trim() }, 'Your team is founded.');
});
find('finish').addEventListener('click', () => {
  if (confirm('Finish now? You cannot go on afterwards.')) void act({ type: 'finish' }, 'You have finished.');
});
find('leave').addEventListener('click', async () => {
  if (!confirm('Leave this hunt? Your progress is kept.')) return;
  if ((await act({ type: 'leave' }, 'You left the hunt.')) === undefined) return;
  forget();
  play.client.close();
  location.assign('/play');
});

start();
