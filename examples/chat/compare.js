// The comparison: one publisher, and a column for each transport, which reads in a worker.
import { TalkbackRoom } from '/rooms/talkback.js';
import { chart, picture, share } from '/chart.js';

const WINDOW = 20_000;         // what the figures look back on, ms
const CHARTED = 60;            // seconds in a chart
const METERED = 500;           // between two readings of the meters, ms
const BEFORE = 2500;           // the columns have this long to connect before the first message, ms
const QUEUE = 50;              // the publisher stops when so much is not acknowledged
const WAYS = {
  polling: {
    title: 'Polling', how: () => `Asks every ${seconds(settings.interval)}, whether there is news or not.`,
    when: 'when news may be late, and only plain requests get through.',
  },
  'long-polling': {
    title: 'Long polling', how: () => 'Asks, and the server answers as soon as there is news. Then asks again.',
    when: 'when a proxy on the way keeps streams back.',
  },
  streaming: {
    title: 'HTTP streaming', how: () => 'Asks once. The answer never ends: a line of JSON for each message.',
    when: 'when programs read along, too.',
  },
  events: {
    title: 'Server-sent events', how: () => 'Asks once. The answer never ends, in the format browsers know how to resume.',
    when: 'when news flows one way.',
  },
  websocket: {
    title: 'WebSocket', how: () => 'One connection for both directions. A message costs few bytes more than it says.',
    when: 'when both sides speak, and often.',
  },
  automatic: {
    title: 'Automatic', how: () => 'The WebSocket where it gets through, else the next best, and back when it can.',
    when: 'when you do not know the networks of your people.',
  },
};
const CHOICES = {
  rate: [[1, '1'], [2, '2'], [5, '5'], [10, '10'], [25, '25']],
  size: [[96, '96 B'], [256, '256 B'], [1024, '1 kB'], [4096, '4 kB']],
  interval: [[500, '0.5 s'], [1000, '1 s'], [2000, '2 s'], [5000, '5 s']],
};
const settings = { rate: 5, size: 256, interval: 2000 };

const part = (id) => document.getElementById(id);
const now = () => performance.timeOrigin + performance.now();
const seconds = (ms) => `${ms / 1000} s`;

function element(tag, className = '', text = '') {
  const made = document.createElement(tag);
  made.className = className;
  made.textContent = text;
  return made;
}

function time(ms) {
  if (ms === undefined) return '–';
  if (ms < 9.95) return `${ms.toFixed(1)} ms`;
  return ms < 999.5 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
}

function bytes(count) {
  if (count === undefined) return '–';
  const [unit, size] = count < 999.5 ? ['B', 1] : count < 999_500 ? ['kB', 1e3] : ['MB', 1e6];
  const value = count / size;
  return `${size > 1 && value < 99.5 ? value.toFixed(1) : Math.round(value)} ${unit}`;
}

function quantile(sorted, part) {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))];
}

// ---------------------------------------------------------------- a column

class Column {
  latest = 0;                  // the highest number that came
  #next = 0;                   // that should come now
  #arrivals = [];              // [number, sent, arrived] of the last minute
  #samples = [];               // of the meters: { at, requests, received, sent, count, payload }
  #count = 0;
  #payload = 0;
  #base = null;                // the sample from which is counted
  #state = 'connecting';
  #chart = chart();
  #shown = new Map();

  constructor({ transport, origin }) {
    const way = WAYS[transport];
    Object.assign(this, { transport, title: way.title });
    this.worker = new Worker('/column.js', { type: 'module', name: transport });
    this.worker.addEventListener('message', ({ data }) => this.#hear(data));
    const transports = transport === 'automatic' ? undefined : { transports: [transport] };
    this.worker.postMessage({
      open: { url: `${origin}/rooms/compare`, sender, options: { after: 'end', pollInterval: settings.interval, ...transports } },
    });
    this.reset();
    this.node = this.#build(way);
  }

  reset() {
    Object.assign(this, { missed: 0, doubled: 0, reconnects: 0, gaps: 0 });
    this.#next = 0;
    this.#arrivals = [];
    this.#samples = [];
    this.#base = null;
  }

  #build(way) {
    const node = element('article');
    node.dataset.way = this.transport;
    const head = element('header');
    const state = element('p', 'state');
    head.append(element('h2', '', way.title), state);
    const how = element('p', 'how');
    const when = element('p', 'when');
    when.append(element('b', '', 'Take it '), way.when);
    const figures = element('div', 'figures');
    for (const [key, label] of [['p50', 'half within'], ['p99', '99 % within'], ['overhead', 'overhead a message']]) {
      const figure = element('p', key);
      const value = element('b', '', '–');
      figure.append(value, element('small', '', label));
      figures.append(figure);
      this.#shown.set(key, value);
    }
    const meters = element('dl');
    for (const [key, label] of [
      ['latest', 'Latest'], ['requests', 'Requests'], ['up', 'Bytes up'], ['down', 'Bytes down'],
      ['reconnects', 'Reconnects'], ['missed', 'Missed'], ['doubled', 'Doubled'],
    ]) {
      const value = element('dd', '', '0');
      meters.append(element('dt', '', label), value);
      this.#shown.set(key, value);
    }
    const actions = element('div', 'actions');
    actions.append(this.#button('Drop its connection', 'drop'), this.#button('Stop reading for 5 s', 'stall'));
    node.append(head, how, picture(this.transport, `How ${way.title} works: when there is news, and when the browser has it`), figures, this.#chart.node, meters, actions, when);
    this.#shown.set('state', state).set('how', how);
    return node;
  }

  #button(text, action) {
    const button = element('button', '', text);
    button.type = 'button';
    button.addEventListener('click', () => this[action](button));
    return button;
  }

  drop() {
    post(`/columns/${this.transport}/drop`);
  }

  stall(button) {
    this.worker.postMessage({ stall: 5000 });
    hold(button, 'Not reading …', 5000);
  }

  #hear({ arrivals, count, payload, gap, transport }) {
    if (gap) this.gaps += 1;
    if (transport) this.#connected(transport);
    if (!arrivals) return;
    this.#count += count;
    this.#payload += payload;
    for (const arrival of arrivals) {
      const [number] = arrival;
      // The first one may be any: others were sent before this column was there, or before all was counted anew.
      if (this.#next && number < this.#next) this.doubled += 1;
      else {
        if (this.#next) this.missed += number - this.#next;
        this.#next = number + 1;
      }
      this.latest = Math.max(this.latest, number);
      this.#arrivals.push(arrival);
    }
  }

  #connected({ name }) {
    if (name && this.#state === 'away') this.reconnects += 1;
    if (name) this.#state = name;
    else if (this.#state !== 'connecting') this.#state = 'away';
  }

  meter(counts, at) {
    const sample = { at, ...counts, count: this.#count, payload: this.#payload };
    this.#base ??= sample;
    this.#samples.push(sample);
    while (this.#samples[0].at < at - WINDOW) this.#samples.shift();
    while (this.#arrivals.length && this.#arrivals[0][2] < at - CHARTED * 1000) this.#arrivals.shift();
    this.#figures(sample, at);
    this.#show();
  }

  #figures(sample, at) {
    const recent = this.#arrivals.filter(([, , arrived]) => arrived > at - WINDOW);
    const times = recent.map(([, sent, arrived]) => Math.max(0.1, arrived - sent)).sort((one, other) => one - other);
    const from = this.#samples[0];
    const count = sample.count - from.count;
    const spent = sample.received + sample.sent - from.received - from.sent;
    Object.assign(this, {
      p50: quantile(times, 0.5), p99: quantile(times, 0.99),
      overhead: count ? Math.max(0, (spent - (sample.payload - from.payload)) / count) : undefined,
      requests: sample.requests - this.#base.requests,
      up: sample.received - this.#base.received, down: sample.sent - this.#base.sent,
    });
  }

  // A bucket for each of the last seconds.
  #seconds(at) {
    const buckets = Array.from({ length: CHARTED }, () => []);
    for (const [, sent, arrived] of this.#arrivals) {
      const age = Math.floor((at - arrived) / 1000);
      if (age >= 0 && age < CHARTED) buckets[CHARTED - 1 - age].push(Math.max(0.1, arrived - sent));
    }
    return buckets.map((bucket) => {
      bucket.sort((one, other) => one - other);
      return bucket.length ? { p50: quantile(bucket, 0.5), p99: quantile(bucket, 0.99) } : null;
    });
  }

  #show() {
    const set = (key, text) => { const shown = this.#shown.get(key); if (shown.textContent !== text) shown.textContent = text; };
    const behind = number - this.latest;
    set('how', WAYS[this.transport].how());
    set('p50', time(this.p50));
    set('p99', time(this.p99));
    set('overhead', bytes(this.overhead));
    set('latest', this.latest === 0 ? '–' : behind > 1 ? `${this.latest}, ${behind} behind` : String(this.latest));
    set('requests', this.requests.toLocaleString('en'));
    set('up', bytes(this.up));
    set('down', bytes(this.down));
    for (const key of ['reconnects', 'missed', 'doubled']) set(key, String(this[key]));
    for (const key of ['missed', 'doubled']) this.#shown.get(key).classList.toggle('wrong', this[key] > 0);
    const words = { connecting: 'connecting', away: 'coming back …' }[this.#state];
    set('state', words ?? (this.transport === 'automatic' ? `now ${WAYS[this.#state].title}` : 'connected'));
    this.#shown.get('state').classList.toggle('live', !words);
    this.node.classList.toggle('lost', this.#state === 'away');
    this.#chart.show(this.#seconds(now()), `Delivery times of the last minute: half within ${time(this.p50)}`);
  }
}

// ---------------------------------------------------------------- in short

function bars(columns, container, shown) {
  const rows = columns.map((column) => {
    const row = element('div', 'bar');
    row.dataset.way = column.transport;
    const track = element('span', 'track');
    const fill = element('span', 'fill');
    const tip = element('span', 'tip');
    track.append(fill, tip);
    const value = element('b', '', '–');
    row.append(element('span', 'name', column.title), track, value);
    return { column, row, fill, tip, value };
  });
  container.replaceChildren(...rows.map(({ row }) => row));
  return () => {
    for (const { column, fill, tip, value } of rows) {
      const [main, second, text] = shown(column);
      fill.style.setProperty('--share', main);
      tip.style.setProperty('--share', second);
      value.textContent = text;
    }
  };
}

// ---------------------------------------------------------------- the publisher

const sender = Array.from(crypto.getRandomValues(new Uint32Array(2)), (word) => word.toString(36)).join('');
const publisher = new TalkbackRoom('/rooms/compare', { after: 'end' });
let number = 0;
let paused = false;
let due = now() + BEFORE;

function publish() {
  const at = now();
  if (paused || publisher.pending.size >= QUEUE || at - due > 2000) due = Math.max(due, at); // what could not be sent is not made up for
  if (paused || publisher.pending.size >= QUEUE) return;
  while (due <= at) {
    number += 1;
    const data = { sender, n: number, at: now(), text: '' };
    data.text = 'x'.repeat(Math.max(0, settings.size - JSON.stringify(data).length));
    publisher.send(data);
    due += 1000 / settings.rate;
  }
}

// ---------------------------------------------------------------- controls

const post = (path) => fetch(path, { method: 'POST' }).catch(() => trouble('The server did not hear that.'));

function trouble(text) {
  part('trouble').hidden = !text;
  if (part('trouble').textContent !== text) part('trouble').textContent = text;
}

function hold(button, text, ms) {
  const before = button.textContent;
  button.disabled = true;
  button.textContent = text;
  setTimeout(() => {
    button.disabled = false;
    button.textContent = before;
  }, ms);
}

function choices(columns) {
  for (const [name, options] of Object.entries(CHOICES)) {
    for (const [value, text] of options) {
      const label = element('label');
      const input = element('input');
      Object.assign(input, { type: 'radio', name, value, checked: settings[name] === value });
      input.addEventListener('change', () => {
        settings[name] = value;
        due = now();
        if (name === 'interval') for (const { worker } of columns) worker.postMessage({ pollInterval: value });
      });
      label.append(input, element('span', '', text));
      part(name).append(label);
    }
  }
  part('away').addEventListener('click', () => {
    post('/away');
    hold(part('away'), 'The server is away', 5000);
  });
  part('pause').addEventListener('click', () => {
    paused = !paused;
    part('pause').setAttribute('aria-pressed', String(paused));
    part('pause').textContent = paused ? 'Go on' : 'Pause';
  });
  part('reset').addEventListener('click', () => { for (const column of columns) column.reset(); });
}

// ---------------------------------------------------------------- all of it

async function begin() {
  const columns = (await (await fetch('/columns')).json()).filter(({ transport }) => transport in WAYS).map((column) => new Column(column));
  part('columns').replaceChildren(...columns.map(({ node }) => node));
  choices(columns);
  const summaries = [
    bars(columns, part('soon'), ({ p50, p99 }) => [p50 ? share(p50) : 0, p99 ? share(p99) : 0, time(p50)]),
    bars(columns, part('dear'), ({ overhead }) => [overhead === undefined ? 0 : share(overhead, 10, 10_000), 0, bytes(overhead)]),
  ];
  setInterval(publish, 20);
  const measure = async () => {
    try {
      const meters = await (await fetch('/meters')).json();
      const at = now();
      for (const column of columns) if (meters[column.transport]) column.meter(meters[column.transport], at);
      for (const show of summaries) show();
      trouble('');
    } catch {
      trouble('The server does not answer. This page goes on when it does.');
    }
    setTimeout(measure, METERED);
  };
  await measure();
}

begin().catch(() => trouble('The server has no columns to compare. Reload this page when it runs.'));
