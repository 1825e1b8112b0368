// The chat: rooms, people and messages, over whichever transport gets through.
import { TalkbackRoom } from '/rooms/talkback.js';
import {
  NAME_LENGTH, TEXT_LENGTH, clear, divide, element, face, keepingPlace, message, nameOf, part, person, show, showWaiting, take,
} from '/talk.js';

const COLOURS = ['#c2410c', '#b45309', '#4d7c0f', '#0f766e', '#0369a1', '#4f46e5', '#9333ea', '#be185d'];
const ROOMS = ['lobby', 'kitchen', 'garden'];
const ROOM_NAME = /^[A-Za-z0-9._~-]{1,64}$/;
const BY = {
  websocket: 'by WebSocket', events: 'by server-sent events', streaming: 'by HTTP streaming', 'long-polling': 'by long polling', polling: 'by polling',
};
const STILL_TYPING = 4000;     // after the last key, ms
const OFFLINE_SHOWN = 900;     // a shorter break is not worth a word, ms
const BURST = 400;             // what comes closer together than this, at first, is history, ms

// Storage may be forbidden; the page works without it.
const keep = (storage, key, value) => { try { window[storage].setItem(key, value); } catch { /* not kept */ } };
const kept = (storage, key) => { try { return window[storage].getItem(key) ?? ''; } catch { return ''; } };

// By its id the server and this page know what it wrote before. A page that goes hands it to the one that is loaded
// next in its place; a copy of this tab has none, and makes its own.
const client = kept('sessionStorage', 'client')
  || Array.from(crypto.getRandomValues(new Uint32Array(3)), (word) => word.toString(36)).join('-');
keep('sessionStorage', 'client', '');
addEventListener('pagehide', () => keep('sessionStorage', 'client', client));

const me = { name: kept('localStorage', 'name'), colour: kept('localStorage', 'colour'), typing: false };
let room = null;
let name = wantedRoom();
let waiting = new Map();   // own messages: id to what message() made, until both the log and the server told of it
let caughtUp = false;      // the history is shown, what comes now is news
let catchingUp = 0;
let epoch = '';
let unread = 0;            // while the page was hidden

// ---------------------------------------------------------------- a room

function wantedRoom() {
  const wanted = location.hash.slice(1);
  return ROOM_NAME.test(wanted) ? wanted : ROOMS[0];
}

function enter() {
  name = wantedRoom();
  room?.close();
  clear();
  waiting = new Map();
  caughtUp = false;
  epoch = '';
  offline(null);
  showRooms();
  showHere({ here: [], count: 0 });
  const entered = new TalkbackRoom(`/rooms/${name}`, { client, state: me });
  const on = (kind, act) => entered.addEventListener(kind, ({ detail }) => { if (room === entered) keepingPlace(() => act(detail)); });
  room = entered;
  on('message', said);
  on('gap', gap);
  on('here', showHere);
  on('sent', sent);
  on('refused', refused);
  on('transport', showTransport);
  showTransport({ name: null });
}

function settle() {
  clearTimeout(catchingUp);
  if (!caughtUp) catchingUp = setTimeout(() => { caughtUp = true; }, BURST);
}

function said({ id, at, client: from, message: key, data }) {
  settle();
  [epoch] = id.split('-');
  if (typeof data?.text !== 'string') return;
  const own = from === client;
  const known = own ? waiting.get(key) : undefined;
  const shown = known ?? message(data.text.slice(0, TEXT_LENGTH), own);
  if (known) take(known.node);
  else if (own) shown.stored();
  show({ client: from, who: person(data), time: new Date(at), own, news: caughtUp, node: shown.node });
  if (known) done(key, 'logged');
  if (caughtUp && !own && document.hidden) showUnread(unread + 1);
}

function done(key, what) {
  const entry = waiting.get(key);
  if (!entry) return;
  entry[what] = true;
  if (entry.logged && entry.acknowledged) waiting.delete(key);
}

function sent({ message: key }) {
  waiting.get(key)?.stored();
  done(key, 'acknowledged');
  offline();
}

function refused({ message: key, status, error }) {
  const entry = waiting.get(key);
  if (!entry) {
    if (!room.transports.length) banner(`This room cannot be entered: ${error || status}`);
    return;
  }
  const again = element('button', 'plain', 'Edit');
  const drop = element('button', 'plain', 'Discard');
  const forget = () => { take(entry.node); waiting.delete(key); part('box').focus(); };
  again.addEventListener('click', () => { part('box').value ||= entry.text; forget(); showBox(); });
  drop.addEventListener('click', forget);
  entry.failed(error || `status ${status}`, again, drop);
}

function gap({ gap: { epoch: now } }) {
  if (epoch && epoch !== now) divide('The server was restarted: what is above is from before', 'notice');
  else if (epoch) divide('Some messages in between are no longer kept', 'notice');
  epoch = now;
}

function showUnread(count) {
  unread = count;
  document.title = unread ? `(${unread}) talkback` : 'talkback';
}
document.addEventListener('visibilitychange', () => { if (!document.hidden) showUnread(0); });

// ---------------------------------------------------------------- the connection

let offlineSince = 0;
let offlineTimer = 0;

function showTransport({ name: used }) {
  document.body.classList.toggle('live', used !== null);
  part('state').className = used ? 'live' : '';
  const over = room.transports.length === 0; // refused: nothing is tried any more, and the banner says why
  part('state').textContent = used ? `connected ${BY[used]}` : over ? 'not connected' : 'connecting';
  if (used) settle();
  else part('typing').replaceChildren();
  if (over) return clearTimeout(offlineTimer);
  return offline(used ? null : offlineSince || Date.now());
}

function offline(since = offlineSince) {
  offlineSince = since;
  clearTimeout(offlineTimer);
  if (!since) {
    part('banner').hidden = true;
    return;
  }
  const left = since + OFFLINE_SHOWN - Date.now();
  if (left > 0) {
    offlineTimer = setTimeout(offline, left);
    return;
  }
  const count = room.pending.size;
  banner(`No connection. ${count === 0 ? 'What you write now is kept, and sent' : count === 1 ? 'Your message is kept, and sent' : `Your ${count} messages are kept, and sent`} when it is back.`);
}

function banner(text) {
  part('banner').hidden = false;
  if (part('banner').textContent !== text) part('banner').textContent = text;
}

// ---------------------------------------------------------------- who is here

function showHere({ here, count }) {
  const people = here.map((one) => ({ client: one.client, ...person(one.state) }))
    .sort((one, other) => (other.client === client) - (one.client === client) || one.name.localeCompare(other.name));
  part('here').replaceChildren(...people.map((who) => {
    const row = element('li');
    row.append(face(who), nameOf(who));
    if (who.client === client) row.append(element('small', '', 'you'));
    else if (who.typing) row.append(element('small', '', 'is typing'));
    return row;
  }));
  part('count').textContent = `Here now: ${count}`;
  part('show-side').textContent = `${count} here`;
  const typing = people.filter((who) => who.typing && who.client !== client);
  const names = typing.slice(0, 2).flatMap((who, at) => [at ? ' and ' : '', nameOf(who)]);
  part('typing').replaceChildren(...(typing.length === 0 ? []
    : typing.length > 2 ? ['Several people are typing …'] : [...names, typing.length === 1 ? ' is typing …' : ' are typing …']));
}

let typingTimer = 0;

function type(typing) {
  clearTimeout(typingTimer);
  if (typing) typingTimer = setTimeout(type, STILL_TYPING, false);
  if (me.typing !== typing) tell({ typing });
}

function tell(change) {
  Object.assign(me, change);
  room?.setState({ ...me });
}

// ---------------------------------------------------------------- rooms

function showRooms() {
  const visited = kept('localStorage', 'rooms').split(' ').filter((one) => ROOM_NAME.test(one));
  const all = [...new Set([...ROOMS, ...visited, name])].slice(-20);
  keep('localStorage', 'rooms', all.join(' '));
  part('rooms').replaceChildren(...all.map((one) => {
    const row = element('li');
    const link = element('a', '', one);
    link.href = `#${one}`;
    if (one === name) link.setAttribute('aria-current', 'page');
    row.append(link);
    return row;
  }));
  part('title').textContent = `# ${name}`;
  part('box').placeholder = `Say something in ${name}`;
}

part('other').addEventListener('submit', (event) => {
  event.preventDefault();
  const wanted = part('other-room').value.trim();
  if (!ROOM_NAME.test(wanted)) return;
  part('other-room').value = '';
  location.hash = wanted;
});

addEventListener('hashchange', () => {
  if (!room) return;
  type(false);
  enter();
  showSide(false);
  part('box').focus();
});

// ---------------------------------------------------------------- writing

function draft() {
  const text = part('box').value.replace(/^\s*\n/, '').trimEnd();
  return text.toWellFormed?.() ?? text;
}

function showBox() {
  const box = part('box');
  box.style.height = 'auto';
  box.style.height = `${box.scrollHeight}px`;
  const text = draft();
  const left = TEXT_LENGTH - text.length;
  part('send').setAttribute('aria-disabled', String(!text || left < 0));
  part('remark').className = left < 0 ? 'wrong' : '';
  part('remark').textContent = left < 0 ? `${-left} characters too long` : left < 500 ? `${left} characters left` : '';
}

function submit() {
  const text = draft();
  if (!room || !text || text.length > TEXT_LENGTH) return showBox();
  let key;
  try {
    key = room.send({ text, name: me.name, colour: me.colour });
  } catch {
    return banner('Too much is waiting to be sent already.');
  }
  const entry = { ...message(text, true), text };
  waiting.set(key, entry);
  showWaiting(me, entry.node);
  part('box').value = '';
  keep('sessionStorage', 'draft', '');
  type(false);
  return showBox();
}

part('composer').addEventListener('submit', (event) => { event.preventDefault(); submit(); });
part('box').addEventListener('input', () => {
  keep('sessionStorage', 'draft', part('box').value);
  type(draft() !== '');
  showBox();
});
part('box').addEventListener('keydown', (event) => {
  if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  submit();
});
addEventListener('beforeunload', (event) => { if (room?.pending.size) event.preventDefault(); });

// ---------------------------------------------------------------- who I am

function showMe() {
  const shown = element('div');
  shown.append(nameOf(me));
  const change = element('button', 'plain', 'Change');
  change.type = 'button';
  change.addEventListener('click', ask);
  part('me').replaceChildren(face(me), shown, change);
  part('me').hidden = false;
}

for (const [at, colour] of COLOURS.entries()) {
  const choice = element('input');
  Object.assign(choice, { type: 'radio', name: 'colour', value: colour });
  choice.setAttribute('aria-label', `colour ${at + 1}`);
  choice.style.setProperty('--colour', colour);
  part('colours').append(choice);
}

function ask() {
  showSide(false);
  const colour = COLOURS.includes(me.colour) ? me.colour : COLOURS[Math.floor(Math.random() * COLOURS.length)];
  document.querySelector(`#colours [value="${colour}"]`).checked = true;
  part('name').value = me.name;
  part('enter').textContent = room ? 'Save' : 'Join';
  part('hello').showModal();
  part('name').select();
}

part('introduce').addEventListener('submit', (event) => {
  event.preventDefault();
  const chosen = person({ name: part('name').value, colour: document.querySelector('#colours :checked').value });
  tell({ name: chosen.name, colour: chosen.colour });
  keep('localStorage', 'name', me.name);
  keep('localStorage', 'colour', me.colour);
  part('hello').close();
  begin();
});
part('hello').addEventListener('close', () => { if (!me.name) ask(); });       // Escape is no name

function showSide(shown) {
  document.body.classList.toggle('side-shown', shown);
  part('show-side').setAttribute('aria-expanded', String(shown));
  if (shown) part('side').focus();
}

function hideSide() {
  showSide(false);
  part('show-side').focus();
}

part('show-side').addEventListener('click', () => showSide(true));
part('hide-side').addEventListener('click', hideSide);
part('shade').addEventListener('click', hideSide);
addEventListener('keydown', (event) => {
  if (event.key === 'Escape' && document.body.classList.contains('side-shown')) hideSide();
});

function begin() {
  showMe();
  if (!room) enter();
  if (matchMedia('(pointer: fine)').matches) part('box').focus();
}

part('name').maxLength = NAME_LENGTH;
part('box').value = kept('sessionStorage', 'draft');
showBox();
showRooms();
if (me.name && COLOURS.includes(me.colour)) begin();
else ask();
