// The browser client over each transport, in a real browser. One line a check; the last line counts them; exit status 1
// if one failed. What networks do is done by a wire between the browser and the server.
//   ROOMS_BIN   the built example `rooms`; the model of the server by default. CHROMIUM as in lab.mjs
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { check as checked, finish, launch, rest, startServer, until } from './lab.mjs';
import { startModel } from './model_server.mjs';
import { startWire } from './wire.mjs';

const ALL = 240_000;           // for everything
const TRANSPORTS = ['websocket', 'events', 'streaming', 'long-polling', 'polling'];
const FAST = { pollInterval: 100, patience: 1500, climbInterval: 500 };

// ---------------------------------------------------------------- what is published

let sender = 0;
async function publish(room, ...texts) {
  for (const text of texts) {
    const response = await fetch(`${server.url}rooms/${room}/messages`, {
      method: 'POST', body: JSON.stringify({ client: 'tester', message: `m${sender += 1}`, data: text }),
    });
    assert.equal(response.status, 200);
  }
}

async function stored(room) {
  const response = await fetch(`${server.url}rooms/${room}/messages?client=tester`);
  return (await response.json()).messages.map(({ data }) => data);
}

// ---------------------------------------------------------------- the page

// Runs in the page: makes a room whose events are kept.
async function joinInPage([script, url, options]) {
  const { TalkbackRoom } = await import(script);
  const room = new TalkbackRoom(url, options);
  const seen = { message: [], gap: [], here: [], sent: [], refused: [], transport: [] };
  for (const kind of Object.keys(seen)) {
    if (kind === 'here' && options.deaf) continue;
    room.addEventListener(kind, ({ detail }) => seen[kind].push(detail));
  }
  (window.joined ??= []).push({ room, seen });
  return window.joined.length - 1;
}

let rooms = 0;

// A person in a room of its own, or in the one named. Everything goes through the wire.
async function join(page, { name = `room-${rooms += 1}`, origin = wire.url, ...options } = {}) {
  const at = await page.evaluate(joinInPage, ['/rooms/talkback.js', `${origin}rooms/${name}`, { ...FAST, ...options }]);
  const inPage = (what, ...args) => page.evaluate(({ at, what, args }) => {
    const { room, seen } = window.joined[at];
    if (what === 'pending') return room.pending.size;
    if (what in seen) return seen[what];
    const value = room[what];
    if (typeof value !== 'function') return value;
    try {
      return value.apply(room, args);
    } catch (error) {
      return { threw: error.name };
    }
  }, { at, what, args });
  return {
    name, inPage,
    texts: async () => (await inPage('message')).map(({ data }) => data),
    uses: (transport) => until(`${transport} is used`, async () => (await inPage('transport')).at(-1)?.name === transport),
    has: (count) => until(`${count} messages`, async () => (await inPage('message')).length >= count),
    told: (kind, count = 1) => until(`${count} ${kind}`, async () => (await inPage(kind)).length >= count),
  };
}

const numbers = (from, to) => Array.from({ length: to - from + 1 }, (_, at) => `n${from + at}`);

const check = (what, test) => checked(what, test, async () => {
  await page.evaluate(() => { for (const { room } of (window.joined ?? []).splice(0)) room.close(); });
  Object.assign(wire, { down: false, target: server.url });
  for (const set of [wire.blocked, wire.refused, wire.withheld]) set.clear();
});

// ---------------------------------------------------------------- the checks

async function checkEach(transport) {
  await check(`${transport}: history, what is new and what was sent arrive in order, once, and sends are acknowledged`, async () => {
    const name = `plain-${transport}`;
    await publish(name, 'one', 'two');
    const ann = await join(page, { name, transports: [transport] });
    await ann.uses(transport);
    await ann.has(2);
    const message = await ann.inPage('send', 'three');
    await ann.told('sent');
    await publish(name, 'four');
    await ann.has(4);
    assert.deepEqual(await ann.texts(), ['one', 'two', 'three', 'four']);
    const [sent] = await ann.inPage('sent');
    const [, , third] = await ann.inPage('message');
    assert.deepEqual([sent.message, sent.id, sent.new], [message, third.id, true]);
    assert.deepEqual([third.client, third.message], [await ann.inPage('client'), message]);
    assert.equal(await ann.inPage('cursor'), (await ann.inPage('message')).at(-1).id);
    assert.equal(await ann.inPage('pending'), 0);
  });

  await check(`${transport}: under cuts each message arrives once, in order, and each that is sent is stored once`, async () => {
    const name = `cut-${transport}`;
    const ann = await join(page, { name, transports: [transport] });
    await ann.uses(transport);
    for (let at = 1; at <= 40; at += 1) {
      await publish(name, `n${at}`);
      await ann.inPage('send', `own ${at}`);
      if (at % 10 === 5) wire.cut();
      await rest(10);
    }
    await ann.told('sent', 40);
    await ann.has(80);
    const texts = await ann.texts();
    assert.deepEqual(texts, await stored(name));
    assert.deepEqual(texts.filter((text) => text.startsWith('n')), numbers(1, 40));
    assert.deepEqual(texts.filter((text) => text.startsWith('own')), numbers(1, 40).map((text) => text.replace('n', 'own ')));
    assert.deepEqual(await ann.inPage('gap'), []);
    if (!transport.endsWith('polling')) assert.ok((await ann.inPage('transport')).some(({ name: used }) => !used), 'it was cut');
  });

  await check(`${transport}: only what is new with after=end, and resumption from a cursor`, async () => {
    const name = `end-${transport}`;
    await publish(name, 'old');
    const ann = await join(page, { name, transports: [transport], after: 'end' });
    await until('a cursor', async () => /^[0-9a-f]{16}-1$/.test(await ann.inPage('cursor')));
    await publish(name, 'new');
    await ann.has(1);
    assert.deepEqual(await ann.texts(), ['new']);
    const after = (await ann.inPage('message'))[0].id;
    await publish(name, 'newer');
    const bob = await join(page, { name, transports: [transport], after });
    await bob.has(1);
    assert.deepEqual(await bob.texts(), ['newer']);
  });

  await check(`${transport}: a cursor that lies in the future is told as a gap, and what is there follows`, async () => {
    const name = `future-${transport}`;
    await publish(name, 'one');
    const ann = await join(page, { name, transports: [transport] });
    await ann.has(1);
    const after = (await ann.inPage('message'))[0].id.replace('-1', '-999');
    const bob = await join(page, { name, transports: [transport], after });
    await bob.told('gap');
    await bob.has(1);
    assert.deepEqual(await bob.texts(), ['one']);
  });

  await check(`${transport}: who is here, with states`, async () => {
    const name = `here-${transport}`;
    const ann = await join(page, { name, client: 'ann', state: { name: 'Ann' } });
    await ann.uses('websocket');
    const bob = await join(page, { name, client: 'bob', state: { name: 'Bob' }, transports: [transport] });
    const sees = (person, client, state) => until(`${client} is ${state}`, async () =>
      (await person.inPage('here')).at(-1)?.here.some((one) => one.client === client && one.state?.name === state));
    await sees(bob, 'ann', 'Ann');
    await ann.inPage('setState', { name: 'Anne' });
    await sees(bob, 'ann', 'Anne');
    if (transport.endsWith('polling')) return; // present are those who hold a stream or a socket
    await sees(ann, 'bob', 'Bob');
    await bob.inPage('setState', { name: 'Bobby' });
    await sees(ann, 'bob', 'Bobby');
  });

  await check(`${transport}: a new epoch is told as a gap`, async () => {
    const ann = await join(page, { transports: [transport] });
    await publish(ann.name, 'before');
    await ann.has(1);
    await restart();
    await publish(ann.name, 'after');
    await ann.told('gap');
    await ann.has(2);
    assert.deepEqual(await ann.texts(), ['before', 'after']);
    const [{ id, gap }] = await ann.inPage('gap');
    assert.equal(id, `${gap.epoch}-${gap.first - 1}`);
    assert.equal((await ann.inPage('message'))[1].id.split('-')[0], gap.epoch);
  });
}

async function restart() {
  await server.stop();
  server = await startServer(process.env.ROOMS_BIN);
  wire.target = server.url;
}

async function checkTransports() {
  await check('automatic: the WebSocket where nothing is in its way', async () => {
    const ann = await join(page);
    await ann.uses('websocket');
    assert.equal((await ann.inPage('transport')).length, 1);
    assert.equal(await page.evaluate(() => window.joined[0].room.transport), 'websocket');
  });

  await check('automatic: events where the WebSocket is blocked, streaming where events are, long polling where that is', async () => {
    wire.blocked.add('socket');
    const ann = await join(page);
    await ann.uses('events');
    wire.blocked.add('events');
    const bob = await join(page);
    await bob.uses('streaming');
    wire.blocked.add('stream');
    const cid = await join(page);
    await cid.uses('long-polling');
    await publish(cid.name, 'through');
    await cid.has(1);
  });

  await check('automatic: long polling where a proxy keeps streams back', async () => {
    wire.blocked.add('socket');
    for (const endpoint of ['events', 'stream']) wire.withheld.add(endpoint);
    const ann = await join(page);
    await ann.uses('long-polling');
    await publish(ann.name, 'through');
    await ann.has(1);
  });

  await check('automatic: climbs back without loss, and says so', async () => {
    for (const endpoint of ['socket', 'events', 'stream']) wire.blocked.add(endpoint);
    const ann = await join(page);
    await ann.uses('long-polling');
    const publishing = (async () => {
      for (const text of numbers(1, 100)) { await publish(ann.name, text); await rest(20); }
    })();
    await rest(200);
    wire.blocked.delete('events');
    await ann.uses('events');
    wire.blocked.clear();
    await ann.uses('websocket');
    await publishing;
    await ann.has(100);
    assert.deepEqual(await ann.texts(), numbers(1, 100));
    assert.ok((await ann.inPage('transport')).every(({ name }) => name), 'it was never offline');
  });

  await check('automatic: what has worked is tried first after a cut', async () => {
    wire.blocked.add('socket');
    const ann = await join(page, { climbInterval: 60_000 });
    await ann.uses('events');
    wire.blocked.clear();
    wire.cut();
    await until('a way back', async () => (await ann.inPage('transport')).length >= 3);
    assert.deepEqual((await ann.inPage('transport')).map(({ name }) => name), ['events', null, 'events']);
  });

  await check('another origin', async () => {
    const ann = await join(page, { origin: server.url });
    await ann.uses('websocket');
    for (const transport of TRANSPORTS) {
      const bob = await join(page, { origin: server.url, transports: [transport] });
      await bob.uses(transport);
      await bob.inPage('send', 'far');
      await bob.told('sent');
    }
  });
}

async function checkTroubles() {
  await check('what is sent offline waits, in order, and no more of it than maxQueue', async () => {
    const ann = await join(page, { maxQueue: 3 });
    await ann.uses('websocket');
    wire.down = true;
    wire.cut();
    await ann.uses(null);
    for (const text of numbers(1, 3)) await ann.inPage('send', text);
    assert.deepEqual(await ann.inPage('send', 'n4'), { threw: 'RangeError' });
    assert.equal(await ann.inPage('pending'), 3);
    wire.down = false;
    await ann.told('sent', 3);
    await ann.has(3);
    assert.deepEqual(await ann.texts(), numbers(1, 3));
    assert.deepEqual(await stored(ann.name), numbers(1, 3));
  });

  for (const transport of ['websocket', 'events']) {
    await check(`what is refused is told and not sent again, and the rest goes on (${transport})`, async () => {
      const ann = await join(page, { transports: [transport] });
      const refused = await ann.inPage('send', 'x'.repeat(200_000));
      await ann.inPage('send', 'small');
      await ann.told('refused');
      await ann.told('sent');
      const [told] = await ann.inPage('refused');
      assert.deepEqual([told.message, told.status], [refused, 413]);
      assert.ok(told.error);
      assert.equal(await ann.inPage('pending'), 0);
      assert.deepEqual(await stored(ann.name), ['small']);
    });
  }

  await check('a room that is refused is given up, and told', async () => {
    for (const endpoint of ['socket', 'events', 'stream', 'messages']) wire.refused.set(endpoint, 403);
    const ann = await join(page);
    await until('the end', async () => (await ann.inPage('refused')).length === 2);
    assert.deepEqual(await ann.inPage('transports'), []);
    assert.equal((await ann.inPage('refused'))[1].status, 403);
    assert.equal((await ann.inPage('refused'))[1].message, null);
    await rest(200);
    const asked = wire.seen.length;
    await rest(1500);
    assert.equal(wire.seen.length, asked, 'no further requests');
  });

  await check('a server that says 503 is tried again, with pauses', async () => {
    wire.refused.set('messages', 503);
    const ann = await join(page, { transports: ['polling'] });
    await ann.uses(null);
    const asked = wire.seen.length;
    await rest(2000);
    assert.ok(wire.seen.length - asked < 12, `${wire.seen.length - asked} requests in 2 s`);
    wire.refused.clear();
    await ann.uses('polling');
    assert.deepEqual(await ann.inPage('refused'), []);
  });

  // A built server has bounds of its own.
  if (!process.env.ROOMS_BIN) {
    await check('what fell out of the log meanwhile is told as a gap, and the rest follows', async () => {
      const small = await startModel({ keep: 5 });
      for (const transport of TRANSPORTS) {
        wire.target = small.url;
        const ann = await join(page, { transports: [transport] });
        const say = (text) => fetch(`${small.url}rooms/${ann.name}/messages`, { method: 'POST', body: JSON.stringify({ client: 'tester', message: text, data: text }) });
        await say('n1');
        await ann.has(1);
        wire.down = true;
        wire.cut();
        for (const text of numbers(2, 10)) await say(text);
        wire.down = false;
        await ann.has(6);
        assert.deepEqual(await ann.texts(), ['n1', ...numbers(6, 10)]);
        assert.deepEqual((await ann.inPage('gap')).map(({ gap }) => [gap.first, gap.last]), [[6, 10]]);
        await ann.inPage('close');
      }
      await small.stop();
    });
  }

  await check('the browser going offline and online again', async () => {
    const ann = await join(page);
    await ann.uses('websocket');
    await page.context().setOffline(true);
    await ann.uses(null);
    assert.equal((await ann.inPage('transport'))[1].why, 'offline');
    await publish(ann.name, 'meanwhile');
    await page.context().setOffline(false);
    await ann.uses('websocket');
    await ann.has(1);
  });

  await check('after close nothing is told and nothing is asked', async () => {
    for (const transport of TRANSPORTS) {
      const ann = await join(page, { transports: [transport] });
      await ann.uses(transport);
      await ann.inPage('close');
      assert.equal(await ann.inPage('transport').then((all) => all.at(-1).name), null);
      await publish(ann.name, 'too late');
      await rest(300);
      assert.deepEqual(await ann.texts(), []);
      assert.equal((await ann.inPage('transport')).length, 2);
    }
    const asked = wire.seen.length;
    await rest(500);
    assert.equal(wire.seen.length, asked);
  });

  await check('a poll that nobody listens to for presence does not ask for it', async () => {
    const ann = await join(page, { transports: ['polling'], deaf: true });
    await ann.uses('polling');
    const from = wire.seen.length;
    await rest(500);
    assert.ok(wire.seen.slice(from).every((asked) => asked === 'GET messages'), wire.seen.slice(from).join());
  });
}

// ---------------------------------------------------------------- all of it

let server = await startServer(process.env.ROOMS_BIN);
const wire = await startWire(server.url);
const browser = await launch();
const page = await browser.newPage();
const complaints = [];
page.on('pageerror', (error) => complaints.push(String(error)));

async function checkAll() {
  await check('the client fits in 8,192 bytes as it stands, and the server gives it', async () => {
    const file = readFileSync(new URL('../../src/room/talkback.js', import.meta.url));
    assert.ok(file.length <= 8192, `${file.length} bytes`);
    const response = await page.goto(`${wire.url}rooms/talkback.js`);
    assert.match(response.headers()['content-type'], /javascript/);
    assert.deepEqual(await response.body(), file);
  });
  await checkTransports();
  await checkTroubles();
  for (const transport of TRANSPORTS) await checkEach(transport);
  await check('no error was left uncaught', () => assert.deepEqual(complaints, []));
}

await finish(checkAll, ALL, browser);
