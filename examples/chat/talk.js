// The conversation on the screen. Everything that others wrote is shown through textContent.
const GROUP_PAUSE = 5 * 60_000;    // a longer silence begins a new group, ms
const SHOWN_AT_MOST = 600;         // blocks on the screen

export const part = (id) => document.getElementById(id);

export function element(tag, className = '', text = '') {
  const made = document.createElement(tag);
  made.className = className;
  made.textContent = text;
  return made;
}

function drawn(name, attributes) {
  const made = document.createElementNS('http://www.w3.org/2000/svg', name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

// ---------------------------------------------------------------- people

export const NAME_LENGTH = 24;
export const TEXT_LENGTH = 4000;

// What others say of themselves is not to be trusted.
export function person(said) {
  const name = typeof said?.name === 'string' ? [...said.name.trim()].slice(0, NAME_LENGTH).join('') : '';
  return { name: name || 'guest', colour: /^#[0-9a-f]{6}$/i.test(said?.colour) ? said.colour : '#7a7a7a', typing: said?.typing === true };
}

function tinted(made, { colour }) {
  made.style.setProperty('--colour', colour);
  return made;
}

export const nameOf = (who, shown = who.name) => tinted(element('bdi', 'person', shown), who);

export function face(who) {
  const made = tinted(element('span', 'face', [...who.name][0].toUpperCase()), who);
  made.setAttribute('aria-hidden', 'true');
  return made;
}

// ---------------------------------------------------------------- scrolling

let stuck = true;          // the end is in view, and stays there
let fresh = 0;             // new below the visible part

function toBottom() { part('scroll').scrollTop = part('scroll').scrollHeight; }

function atEnd() {
  const { scrollHeight, scrollTop, clientHeight } = part('scroll');
  return scrollHeight - scrollTop - clientHeight < 48;
}

function showFresh() {
  part('fresh').hidden = fresh === 0;
  part('fresh').textContent = fresh === 1 ? '↓ 1 new message' : `↓ ${fresh} new messages`;
}

part('fresh').addEventListener('click', () => { toBottom(); part('box').focus(); });
part('scroll').addEventListener('scroll', () => {
  stuck = atEnd();
  if (stuck) fresh = 0;
  showFresh();
});
// The visible part shrinks when the box grows or a phone's keyboard opens.
new ResizeObserver(() => { if (stuck) toBottom(); }).observe(part('scroll'));

// Runs what adds to the conversation, and stays at its end if that was in view.
export function keepingPlace(add) {
  stuck = atEnd();
  add();
  if (stuck) toBottom();
}

// ---------------------------------------------------------------- the log

let last = null;           // the last group: { client, name, time, said }
let lastDay = '';

export function clear() {
  last = null;
  lastDay = '';
  fresh = 0;
  stuck = true;
  part('log').replaceChildren();
  part('outbox').replaceChildren();
  part('empty').hidden = false;
  showFresh();
}

function append(block) {
  part('log').append(block);
  if (stuck && part('log').children.length > SHOWN_AT_MOST) part('log').firstElementChild.remove();
}

export function divide(text, className = '') {
  const divider = element('div', `divider ${className}`);
  divider.append(element('span', '', text));
  append(divider);
  last = null;
}

function divideDays(time) {
  const day = time.toDateString();
  if (day === lastDay) return;
  lastDay = day;
  const yesterday = new Date();
  yesterday.setDate(yesterday.getDate() - 1);
  if (day === new Date().toDateString()) divide('Today');
  else if (day === yesterday.toDateString()) divide('Yesterday');
  else divide(time.toLocaleDateString('en', { weekday: 'long', day: 'numeric', month: 'long', year: 'numeric' }));
}

function group(who, own, time) {
  const made = element('div', own ? 'group own' : 'group');
  const byline = element('div', 'byline');
  const clock = element('time', '', time.toLocaleTimeString([], { hour: 'numeric', minute: '2-digit' }));
  clock.dateTime = time.toISOString();
  clock.title = time.toLocaleString();
  byline.append(nameOf(who, own ? 'You' : who.name), clock);
  const said = element('div', 'said');
  made.append(face(who), byline, said);
  return { made, said };
}

// Plain text, in which addresses of the web can be followed.
function linked(text) {
  return text.split(/(https?:\/\/[^\s<>"]*[^\s<>".,;:!?'()[\]{}])/i).map((piece, index) => {
    if (index % 2 === 0) return piece;
    const link = element('a', '', piece);
    link.href = piece;
    link.target = '_blank';
    link.rel = 'noopener noreferrer';
    return link;
  });
}

function ticks() {
  const made = drawn('svg', { class: 'ticks', viewBox: '0 0 22 14', role: 'img' });
  made.append(drawn('path', { d: 'M2 7.5l4 4.5L14 2' }), drawn('path', { class: 'second', d: 'M9.5 11l1 1L18.5 2' }));
  return made;
}

// One message. `stored`, `failed` tell what became of an own one.
export function message(text, own) {
  const node = element('div');
  const bubble = element('div', 'bubble');
  if (/^(?:\p{Extended_Pictographic}[\p{Emoji_Modifier}\u200d\ufe0f]*){1,3}$/u.test(text)) bubble.classList.add('jumbo');
  const said = element('p', 'text');
  said.append(...linked(text));
  bubble.append(said);
  node.append(bubble);
  const mark = own && ticks();
  if (own) {
    mark.setAttribute('aria-label', 'on its way');
    bubble.append(mark);
  }
  return {
    node,
    stored() {
      node.classList.add('stored');
      mark.setAttribute('aria-label', 'delivered');
    },
    failed(why, ...actions) {
      node.classList.add('failed');
      const line = element('p', 'failure', `Not delivered: ${why}`);
      line.append(...actions);
      node.append(line);
    },
  };
}

// Puts a message to the end of the log; `news` is false for what was there before this page came.
export function show({ client, who, time, own, news, node }) {
  part('empty').hidden = true;
  divideDays(time);
  const continues = last?.client === client && last.name === who.name && time - last.time < GROUP_PAUSE;
  if (!continues) {
    const { made, said } = group(who, own, time);
    append(made);
    last = { client, name: who.name, said };
  }
  last.time = time;
  node.firstChild.title = time.toLocaleString();
  if (news && !own) node.firstChild.classList.add('new');
  last.said.append(node);
  if (news && !own && !stuck) fresh += 1;
  showFresh();
}

// What is not in the log yet stands below it.
export function showWaiting(who, node) {
  part('empty').hidden = true;
  const begun = part('outbox').lastElementChild;
  if (begun) return begun.querySelector('.said').append(node);
  const { made, said } = group(who, true, new Date());
  said.append(node);
  part('outbox').append(made);
  return toBottom();
}

// Leaves no empty group behind.
export function take(node) {
  const around = node.closest('.group');
  node.remove();
  if (around && !around.querySelector('.said').children.length) around.remove();
}
