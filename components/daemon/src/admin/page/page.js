// The status page. Untrusted text is inserted as text, never as markup.
'use strict';

const EVERY = 2000;
const POINTS = 150;
const byId = (id) => document.getElementById(id);
const history = new Map();
let token = null;
let paused = false;
let last = null;
let filled = '';

// Escapes C0 and C1 controls except line breaks and tabs, and bidi controls: untrusted text must not change how the text
// next to it reads.
const CONTROL = /[\0-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g;
const plain = (text) => String(text).replace(CONTROL, (c) => `\\u{${c.codePointAt(0).toString(16)}}`);

function make(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === 'onclick') element.addEventListener('click', value);
    else element.setAttribute(key, value);
  }
  element.append(...children.map((child) => (child instanceof Node ? child : plain(child))));
  return element;
}

function svg(name, attributes) {
  const element = document.createElementNS('http://www.w3.org/2000/svg', name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}

// Fills a table. A cell is a string, a number, or an element.
function table(id, caption, heads, rows, empty) {
  const head = make('thead', {}, make('tr', {}, ...heads.map((text) => make('th', { scope: 'col' }, text))));
  const cell = (value, index) => {
    if (index === 0) return make('th', { scope: 'row' }, value);
    if (value instanceof Node) return make('td', value.localName === 'details' ? { class: 'text' } : {}, value);
    return make('td', { class: typeof value === 'number' || /^[\d.,]+( [µm]?s)?$/.test(value) ? 'number' : 'text' }, value);
  };
  const body = rows.map((row) => make('tr', {}, ...row.map(cell)));
  if (body.length === 0) body.push(make('tr', {}, make('td', { colspan: heads.length }, empty)));
  byId(id).replaceChildren(make('caption', {}, caption), head, make('tbody', {}, ...body));
}

function tell(words, of = '') {
  const [told, text] = [byId('told'), plain(words)];
  told.dataset.of = of;
  if (told.textContent !== text) told.textContent = text;
}

async function ask(path, body) {
  const headers = {};
  if (token) headers.Authorization = `Bearer ${token}`;
  const options = { headers, cache: 'no-store', credentials: 'omit' };
  if (body !== undefined) Object.assign(options, { method: 'POST', body: JSON.stringify(body) });
  const response = await fetch(path, options);
  const answer = await response.json();
  if (!response.ok) {
    const faults = (answer.faults ?? []).map((fault) => (fault.line ? `line ${fault.line}: ${fault.what}` : fault.what));
    throw new Error([answer.detail || response.statusText, ...faults].join('; '));
  }
  return answer;
}

// Runs the action of a button, and shows the text that it returns, or its error.
async function attempt(work) {
  try {
    tell((await work()) ?? '');
  } catch (error) {
    tell(error.message);
  }
}

const seconds = (value) => {
  if (value < 0.001) return `${Math.round(value * 1e6)} µs`;
  if (value < 1) return `${(value * 1e3).toFixed(1)} ms`;
  return `${value.toFixed(1)} s`;
};

const span = (value) => {
  const all = Math.round(value);
  const [days, hours, minutes] = [Math.floor(all / 86400), Math.floor(all / 3600) % 24, Math.floor(all / 60) % 60];
  if (days > 0) return `${days} d ${hours} h`;
  if (hours > 0) return `${hours} h ${minutes} min`;
  return minutes > 0 ? `${minutes} min` : `${all} s`;
};

const count = (number, word, many = `${word}s`) => `${number} ${number === 1 ? word : many}`;

const listed = (counts) => Object.entries(counts).map(([name, count]) => `${name.replaceAll('_', ' ')} ${count}`).join(', ');

function standing(component) {
  if (component.ready) return make('span', { class: 'good' }, '✓ ready');
  const words = {
    connecting: 'connecting', waiting: component.refused ? 'refused' : 'not connected', ended: 'ended',
    mounted: 'mounted, but not known to receive stanzas',
  };
  return make('span', { class: 'bad' }, `✗ ${words[component.state]}`);
}

function showComponents(state) {
  const rows = state.components.map((one) => [
    one.jid, standing(one), one.keepalive_age === null ? '–' : seconds(one.keepalive_age), one.server + (one.tls ? ' (TLS)' : ''),
    one.streams, listed(one.reconnects) || '–', one.mounted,
  ]);
  table('links', `${count(rows.length, 'component')}`, ['JID', 'State', 'Last proof', 'Server', 'Streams', 'Reconnects', 'Modules'],
    rows, 'none');
  const reasons = state.components.filter((one) => one.why);
  byId('reasons').replaceChildren(...reasons.map((one) => make('div', {}, make('h3', {}, one.jid), make('pre', {}, one.why))));
}

// Records the numbers of stanzas handled and sent, and returns their rates over time.
function note(one, now) {
  const handled = Object.values(one.stanzas).reduce((sum, kind) => sum + kind.count, 0);
  const known = history.get(one.jid) || { points: [] };
  const passed = known.now === undefined ? 0 : (now - known.now) / 1000;
  if (passed > 0) {
    const rate = (count, before) => Math.max(0, (count - before) / passed);
    known.points.push([rate(handled, known.handled), rate(one.sent, known.sent)]);
    known.points = known.points.slice(-POINTS);
  }
  Object.assign(known, { now, handled, sent: one.sent });
  history.set(one.jid, known);
  return known.points;
}

function plot(one, points) {
  const rate = (value) => (value < 100 ? value.toFixed(1) : Math.round(value).toString());
  const [handled, sent] = points.at(-1) || [0, 0];
  const most = Math.max(0, ...points.flat());
  const top = Math.max(1, most);
  const line = (index) => points.map((point, at) =>
    `${((POINTS - points.length + at) / (POINTS - 1)) * 300},${97 - (point[index] / top) * 94}`).join(' ');
  const words = `${rate(handled)} handled and ${rate(sent)} sent per second; peak ${rate(most)}`;
  const drawing = svg('svg', { viewBox: '0 0 300 100', preserveAspectRatio: 'none', role: 'img', 'aria-label': `${one.jid}: ${words}` });
  drawing.append(svg('line', { class: 'axis', x1: 0, y1: 97, x2: 300, y2: 97 }));
  if (points.length > 1) {
    drawing.append(svg('polyline', { class: 'in', points: line(0) }), svg('polyline', { class: 'out', points: line(1) }));
  }
  return make('figure', {}, make('figcaption', {}, make('strong', {}, one.jid), make('br'), words), drawing);
}

function showFigures(state) {
  const now = performance.now();
  byId('plots').replaceChildren(...state.components.map((one) => plot(one, note(one, now))));
  const slow = state.components.flatMap((one) => one.slow.map((route) => ({ ...route, jid: one.jid })));
  slow.sort((a, b) => b.longest - a.longest);
  table('routes', 'Slowest first', ['Handler', 'Component', 'Stanzas', 'Mean', 'Longest'], slow.slice(0, 10).map((route) =>
    [route.route, route.jid, route.count, seconds(route.total / route.count), seconds(route.longest)]), 'no slow handlers');
  const queues = state.components.flatMap((one) => one.queues.map((queue) => ({ ...queue, jid: one.jid })));
  table('lengths', 'Updated every second', ['Queue', 'Component', 'Length', 'Limit', 'Usage'], queues.map((queue) => {
    const name = queue.name.replaceAll('_', ' ');
    if (queue.limit === null) return [name, queue.jid, queue.length, '–', '–'];
    const label = `${name} of ${queue.jid}`;
    return [name, queue.jid, queue.length, queue.limit,
      make('meter', { min: 0, max: queue.limit, high: queue.limit * 0.8, value: queue.length, 'aria-label': label })];
  }), 'none');
  const faults = state.components.map((one) => [one.jid, listed(one.turned_away) || '–', listed(one.faults) || '–']);
  table('faults', 'Since the process started', ['Component', 'Rejected stanzas', 'Faults'], faults, 'none');
}

function showLoggers(state) {
  const loggers = state.components.filter((one) => one.archive).map((one) => one.jid);
  if (filled === loggers.join(' ')) return;
  filled = loggers.join(' ');
  byId('logger').replaceChildren(...loggers.map((jid) => make('option', { value: jid }, jid)));
  byId('archive').parentElement.hidden = loggers.length === 0;
}

function show(state) {
  last = state;
  const ready = state.components.filter((one) => one.ready).length;
  let words = `${state.ready ? 'Ready' : 'Not ready'}: ${ready} of ${count(state.components.length, 'component')} ready`;
  if (state.reload_refused) words += '. The last reload was refused; see the errors below';
  const summary = byId('summary');
  summary.className = state.ready ? 'good' : 'bad';
  if (summary.textContent !== words) summary.textContent = words;
  byId('about').textContent = `Version ${state.version}, up for ${span(state.uptime)}; ${count(state.errors, 'error')} and ${count(state.warnings, 'warning')}`;
  document.title = `${state.ready ? '✓' : '✗'} Campanile`;
  showComponents(state);
  showFigures(state);
  showLoggers(state);
}

async function look() {
  if (paused || document.hidden) return;
  try {
    show(await ask('api/state'));
    if (byId('told').dataset.of === 'state') tell('');
  } catch (error) {
    byId('summary').className = 'bad';
    byId('summary').textContent = 'Status unavailable';
    tell(error.message, 'state');
  }
}

const moment = (time) => new Date(time * 1000).toLocaleString();

async function readErrors() {
  const lines = await ask('api/errors');
  byId('lines').replaceChildren(...lines.map((line) => {
    const times = line.times > 1 ? ` (${line.times} times since ${moment(line.first)})` : '';
    return make('li', {}, make('span', { class: line.level === 'error' ? 'bad' : '' }, line.level), ` ${moment(line.last)}${times}`,
      make('pre', {}, line.text));
  }));
  if (lines.length === 0) byId('lines').replaceChildren(make('li', {}, 'none'));
}

async function readLetters() {
  const letters = await ask('api/undelivered');
  const act = (what, letter) => attempt(async () => {
    await ask(`api/undelivered/${what}`, { component: letter.component, seq: letter.seq });
    await readLetters();
    byId('read-undelivered').focus();
  });
  const button = (what, word, letter) =>
    make('button', { type: 'button', 'aria-label': `${word} number ${letter.seq}`, onclick: () => act(what, letter) }, word);
  table('letters', `${count(letters.length, 'message')} pending or given up`,
    ['Number', 'State', 'Bot', 'Peer', 'Since', 'Failed attempts', 'Next attempt', 'Reason', 'Stanza', 'Action'], letters.map((letter) => [
      letter.seq, letter.dead ? 'given up' : 'waiting', `${letter.bot}@${letter.component}`, letter.peer,
      moment(letter.received / 1000), letter.attempts, letter.next_attempt ? moment(letter.next_attempt / 1000) : '–',
      letter.why || '–',
      make('details', {}, make('summary', {}, 'show'), make('pre', {}, letter.xml)),
      letter.dead ? make('span', { class: 'row' }, button('replay', 'Replay', letter), button('drop', 'Drop', letter)) : '–',
    ]), 'no undelivered messages');
}

async function search(before) {
  const wish = new URLSearchParams();
  for (const [key, value] of new FormData(byId('search'))) if (value) wish.set(key, value);
  if (before) wish.set('before', before);
  const page = await ask(`api/archive?${wish}`);
  const entries = page.entries.toReversed().map((entry) => make('li', {},
    make('span', { class: 'hint' }, `${entry.time} ${entry.from} → ${entry.to} (${entry.kind})`),
    make('pre', {}, entry.erased ? '(erased)' : entry.body ?? entry.stanza)));
  if (before) byId('entries').append(...entries);
  else byId('entries').replaceChildren(...entries);
  byId('found').textContent = `${count(byId('entries').children.length, 'entry', 'entries')}, newest first`;
  byId('older').hidden = !page.before;
  byId('older').onclick = () => attempt(() => search(page.before));
}

async function readLog() {
  byId('filter').value = (await ask('api/log')).filter;
}

async function changeLog(filter) {
  const wish = {};
  if (filter) wish.filter = filter;
  if (filter && byId('span').value) wish.for = byId('span').value;
  byId('filter').value = (await ask('api/log', wish)).filter;
}

async function unlock() {
  token = byId('token').value.trim() || null;
  try {
    await readErrors();
  } catch (error) {
    token = null;
    throw error;
  }
  byId('token').value = '';
  byId('login').hidden = true;
  byId('locked').hidden = true;
  byId('content').hidden = false;
  byId('errors').tabIndex = -1;
  byId('errors').focus();
  await readLetters();
  await readLog();
  await look();
}

const on = (id, event, work) => byId(id).addEventListener(event, (happened) => {
  happened.preventDefault();
  attempt(work);
});

on('login', 'submit', unlock);
on('search', 'submit', () => search());
on('level', 'submit', () => changeLog(byId('filter').value.trim()));
on('wire', 'click', () => changeLog('info,campanile::wire=trace'));
on('usual', 'click', () => changeLog(null));
on('read-errors', 'click', readErrors);
on('read-undelivered', 'click', readLetters);
on('reload', 'click', async () => {
  byId('found').textContent = '';
  try {
    const { outcome } = await ask('api/reload', {});
    return outcome === 'applied' ? 'Configuration applied' : 'Configuration unchanged';
  } finally {
    await readErrors();
  }
});
on('pause', 'click', () => {
  paused = !paused;
  byId('pause').setAttribute('aria-pressed', String(paused));
});
document.addEventListener('visibilitychange', look);
look();
setInterval(look, EVERY);
