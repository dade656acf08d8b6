/** Small things that both pages do with the document. Text always goes in as text, never as markup. */
export const find = (id) => document.getElementById(id);

export function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined) continue;
    if (name in made && name !== 'list' && name !== 'form') made[name] = value;
    else made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child !== undefined && child !== null));
  return made;
}

let toastTimer;
export function toast(text) {
  const box = find('toast');
  box.textContent = text;
  box.hidden = false;
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => {
    box.hidden = true;
  }, 5_000);
}

/** Takes a token over from the address (`#token=…` or the bare token) and removes it from there and from the history. */
export function tokenFromFragment() {
  const fragment = location.hash.slice(1);
  if (fragment === '') return undefined;
  history.replaceState(null, '', location.pathname + location.search);
  const token = new URLSearchParams(fragment).get('token') ?? fragment;
  return /^[\w-]+\.[\w-]+\.[\w-]+$/.test(token) ? token : undefined;
}

/** What a token says of its holder; the server judges it, this is for the page's looks alone. */
export function claimsOf(token) {
  try {
    const bytes = Uint8Array.from(atob(token.split('.')[1].replaceAll('-', '+').replaceAll('_', '/')), (char) =>
      char.charCodeAt(0),
    );
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return undefined;
  }
}

export const socketUrl = () => `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/v1/socket`;

/** Storage may be forbidden (private windows): then the page forgets, and works all the same. */
export const keep = (storage, name, value) => {
  try {
    if (value === undefined) storage().removeItem(name);
    else storage().setItem(name, JSON.stringify(value));
  } catch {
    // forgotten
  }
};
export const kept = (storage, name) => {
  try {
    return JSON.parse(storage().getItem(name) ?? 'null') ?? undefined;
  } catch {
    return undefined;
  }
};
export const session = () => sessionStorage;
export const local = () => localStorage;

export const timeOf = (ms) =>
  new Date(ms).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit', second: '2-digit' });

/** The rows of a scoreboard. */
export function boardRows(entries, mine) {
  return entries.map((entry) =>
    element(
      'tr',
      { className: mine !== undefined && (entry.player === mine || entry.team === mine) ? 'mine' : '' },
      element('td', { className: 'n' }, String(entry.rank)),
      element('td', {}, entry.name),
      element('td', { className: 'n' }, String(entry.points)),
    ),
  );
}
