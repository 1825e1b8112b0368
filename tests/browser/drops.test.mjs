// Connections that are cut at random, at any byte, under load: each transport of the browser's client by itself, and
// the choice among them, all at once, each in a room and over a wire of its own. Whether anything was lost, came twice
// or out of order goes by numbers in the data. One line a check; the last line counts them; exit status 1 if one failed.
//   ROOMS_BIN       the built example `rooms` (needed). CHROMIUM as in lab.mjs
//   DROPS_SECONDS   for how long it is cut, 6 by default
import assert from 'node:assert/strict';
import { check, finish, launch, rest, startServer, until } from './lab.mjs';
import { startShears, startWire } from './wire.mjs';

const SECONDS = Number(process.env.DROPS_SECONDS ?? 6);
const ALL = 180_000 + SECONDS * 3000;
const CATCH_UP = 90_000;       // the longest pause between two attempts, and what there is to read then
const PACE = 50;               // ms between two publications in each room
const LIFE = 1500;             // of a connection, at most, ms
const OPTIONS = { pollInterval: 200, patience: 2000, climbInterval: 2000, after: 'end' };
const WAYS = ['websocket', 'events', 'streaming', 'long-polling', 'polling', 'automatic'];

if (!process.env.ROOMS_BIN) {
  console.error('ROOMS_BIN must name the built example rooms');
  process.exit(2);
}

// ---------------------------------------------------------------- who reads

// Runs in the page: a reader that notes what it is told, and says something itself now and then.
async function begin([script, url, options]) {
  const { TalkbackRoom } = await import(script);
  const room = new TalkbackRoom(url, options);
  const reader = { room, seen: [], acknowledged: [], refused: [], transports: [], said: 0 };
  room.addEventListener('message', ({ detail: { id, data } }) => reader.seen.push({ id, ...data }));
  room.addEventListener('gap', ({ detail: { id } }) => reader.seen.push({ id, gap: true }));
  room.addEventListener('sent', ({ detail: { id } }) => reader.acknowledged.push(id));
  room.addEventListener('refused', ({ detail }) => reader.refused.push(detail));
  room.addEventListener('transport', ({ detail: { name } }) => reader.transports.push(name));
  reader.timer = setInterval(() => { room.send({ from: 'page', number: reader.said += 1 }); }, 200);
  (window.readers ??= []).push(reader);
}

const report = (at) => page.evaluate((at) => {
  const { room, seen, acknowledged, refused, transports, said } = window.readers[at];
  return { seen, acknowledged, refused, transports, said, cursor: room.cursor, pending: room.pending.size, now: room.transport };
}, at);

// ---------------------------------------------------------------- who writes

// Publishes numbers at a pace until it is stopped, each until it is stored. Tells under which id.
function startWriter(room) {
  const stored = [];
  const begun = Date.now();
  let writing = true;
  const done = (async () => {
    for (let number = 1; writing; number += 1) {
      const body = JSON.stringify({ client: 'writer', message: `w${number}`, data: { from: 'writer', number } });
      for (;;) {
        const answer = await fetch(`${server.url}rooms/${room}/messages`, { method: 'POST', body }).then((response) => response.json()).catch(() => null);
        if (answer) { stored.push({ id: answer.id, number }); break; }
        await rest(50);
      }
      await rest(Math.max(0, begun + number * PACE - Date.now()));
    }
  })();
  return { stored, stop() { writing = false; return done; } };
}

async function logOf(room) {
  const log = [];
  for (let after = ''; ;) {
    const page = await (await fetch(`${server.url}rooms/${room}/messages${after && `?after=${after}`}`)).json();
    log.push(...page.messages.map(({ id, data }) => ({ id, ...data })));
    after = page.cursor;
    if (page.messages.length === 0 || page.cursor.endsWith(`-${page.last}`)) return log;
  }
}

const numbers = (count) => Array.from({ length: count }, (_, at) => at + 1);
const from = (whom, entries) => entries.filter((entry) => entry.from === whom).map(({ number }) => number);
const epoch = ({ id }) => id.split('-')[0];

// ---------------------------------------------------------------- the checks

// Has all read under cuts. What goes on in the middle is up to `midway`. The choice among transports has no WebSocket in
// the first half, and finds it in the second.
async function underCuts(what, midway) {
  const rooms = WAYS.map((way) => `${what}-${way}`);
  const wire = await startWire(server.url);
  wire.blocked.add('socket');
  const shears = await Promise.all(WAYS.map((way) => startShears(way === 'automatic' ? wire.url : server.url, LIFE)));
  await page.evaluate(() => { window.readers = []; });
  for (const [at, way] of WAYS.entries()) {
    const options = { ...OPTIONS, ...(way === 'automatic' ? {} : { transports: [way] }) };
    await page.evaluate(begin, ['/rooms/talkback.js', `${shears[at].url}rooms/${rooms[at]}`, options]);
  }
  await until('all know where they are', () => page.evaluate(() => window.readers.every(({ room }) => /-\d+$/.test(room.cursor))));
  const writers = rooms.map(startWriter);
  await until('all read', () => page.evaluate(() => window.readers.every(({ seen }) => seen.length > 5)));
  for (const each of shears) each.sharp = true;
  await rest(SECONDS * 500);
  await midway();
  wire.blocked.clear();
  await rest(SECONDS * 500);
  for (const each of shears) each.sharp = false;
  await page.evaluate(() => { for (const { timer } of window.readers) clearInterval(timer); });
  await Promise.all(writers.map((writer) => writer.stop()));
  return { rooms, wires: [...shears, wire], shears, writers };
}

// Until a reader has said all that it has to say, and is at the end of its room.
const caughtUp = (at, room) => until(`${WAYS[at]} is at the end`, async () => {
  const { pending, cursor } = await report(at);
  return pending === 0 && cursor === (await logOf(room)).at(-1)?.id;
}, CATCH_UP);

async function leave({ wires }) {
  await page.evaluate(() => { for (const { room } of window.readers) room.close(); });
  for (const wire of wires) wire.close();
}

const breaks = ({ transports }) => transports.filter((name) => name === null).length;

async function checkDrops() {
  const run = await underCuts('drops', () => {});
  for (const [at, way] of WAYS.entries()) {
    await check(`${way}: ${SECONDS} s of cuts at random, and each message is there once, in order, both ways`, async () => {
      const room = run.rooms[at];
      await caughtUp(at, room);
      const reader = await report(at);
      const written = run.writers[at].stored.length;
      const { cuts } = run.shears[at];
      console.log(`        ${way}: ${cuts} connections cut, ${breaks(reader)} breaks, ${written} numbers read, ${reader.said} said`);
      assert.ok(cuts > 0, 'there were cuts');
      if (!way.endsWith('polling')) assert.ok(breaks(reader) > 0, 'it was cut');
      assert.deepEqual(from('writer', reader.seen), numbers(written));
      assert.deepEqual(from('page', reader.seen), numbers(reader.said));
      const log = await logOf(room); // of what it gave up the numbers tell
      assert.deepEqual(reader.seen.slice(-log.length), log);
      assert.equal(reader.acknowledged.length, reader.said, 'each was acknowledged once');
      assert.equal(new Set(reader.acknowledged).size, reader.said);
      assert.deepEqual(reader.refused, []);
      assert.equal(reader.seen.filter(({ gap }) => gap).length, 0);
    });
  }
  await check('automatic: another transport was used while there was no WebSocket, and the WebSocket when there was', async () => {
    const at = WAYS.indexOf('automatic');
    await until('the WebSocket is used', async () => (await report(at)).now === 'websocket', CATCH_UP);
    const used = (await report(at)).transports.filter((name) => name);
    assert.notEqual(used[0], 'websocket');
    await caughtUp(at, run.rooms[at]);
  });
  await leave(run);
}

async function checkRestart() {
  const run = await underCuts('restart', async () => {
    await server.stop();
    await rest(1000);
    server = await startServer(process.env.ROOMS_BIN, server.address);
  });
  for (const [at, way] of WAYS.entries()) {
    await check(`${way}: the server is killed meanwhile: a gap is told, and what follows it is whole and in order`, async () => {
      const room = run.rooms[at];
      await caughtUp(at, room);
      const { seen, said, refused, acknowledged } = await report(at);
      const log = await logOf(room);
      const gaps = seen.filter(({ gap }) => gap);
      assert.equal(gaps.length, 1, `${gaps.length} gaps`);
      const here = seen.indexOf(gaps[0]);
      assert.equal(epoch(gaps[0]), epoch(log[0]), 'the gap leads into the new log');
      // Before: what the old log had, from its first number up to where the reader was.
      const before = seen.slice(0, here);
      const stored = run.writers[at].stored.filter((one) => epoch(one) !== epoch(log[0])).map(({ number }) => number);
      const read = from('writer', before);
      assert.deepEqual(read, numbers(read.length));
      assert.ok(read.length > 0 && read.length <= stored.length, `${read.length} of ${stored.length} read before the end`);
      assert.ok(before.every((one) => epoch(one) === epoch(before[0])));
      // Behind: the new log, from its first publication to the last.
      assert.deepEqual(seen.slice(here + 1), log);
      // What was said and not acknowledged by the old one is in the new: nothing is in neither.
      const old = acknowledged.filter((id) => id.split('-')[0] !== epoch(log[0])).length;
      assert.deepEqual(from('page', log), numbers(said).slice(old));
      assert.equal(acknowledged.length, said);
      assert.deepEqual(refused, []);
    });
  }
  await leave(run);
}

// ---------------------------------------------------------------- all of it

let server = await startServer(process.env.ROOMS_BIN);
const browser = await launch();
const page = await browser.newPage();
const complaints = [];
page.on('pageerror', (error) => complaints.push(String(error)));

await finish(async () => {
  await page.goto(`${server.url}`);
  await checkDrops();
  await checkRestart();
  await check('no error was left uncaught', () => assert.deepEqual(complaints, []));
}, ALL, browser);
