// The chat's server, and its page when a network or the server fails. One line a check; the last line counts them; exit
// status 1 if one failed.
//   CHAT_BIN    the built example `chat` (needed). CHROMIUM as in lab.mjs, ARTIFACTS as in pages.mjs
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { check as checked, finish, launch, rest, run, startServer, until, within, PATIENCE } from './lab.mjs';
import { RECONNECT, artifacts, complaints, open, shoot } from './pages.mjs';
import { allShow, count, enter, isHere, live, say, says, shows, texts, ticked, uses } from './person.mjs';
import { startShears, startWire } from './wire.mjs';

const ALL = 200_000;           // for everything

if (!process.env.CHAT_BIN) {
  console.error('CHAT_BIN must name the built example chat');
  process.exit(2);
}

const check = (what, test) => checked(what, test, () => {
  for (const wire of Object.values(wires)) Object.assign(wire, { down: false, swallow: false });
});

// ---------------------------------------------------------------- the server

// How a run ends that should not become a server.
async function outcome(...args) {
  const child = run(process.env.CHAT_BIN, args, ['ignore', 'ignore', 'pipe']);
  let said = '';
  child.stderr.on('data', (chunk) => { said += chunk; });
  const [status] = await within(once(child, 'close'), PATIENCE, 'the end of the run').finally(() => child.kill('SIGKILL'));
  return { status, said };
}

async function checkServer() {
  await check('wrong arguments and an address in use are told plainly', async () => {
    const wrong = await outcome('--nonsense');
    assert.equal(wrong.status, 2);
    assert.match(wrong.said, /usage/);
    assert.equal((await outcome('127.0.0.1:0', 'more')).status, 2);
    const taken = await outcome(server.address);
    assert.equal(taken.status, 1);
    assert.ok(taken.said.includes(server.address), taken.said);
  });

  await check('the pages come with a policy that lets them use nothing but what is from here', async () => {
    for (const path of ['', 'compare', 'page.js', 'compare.css', 'chart.js']) {
      const response = await fetch(server.url + path);
      assert.equal(response.status, 200, path);
      const policy = response.headers.get('content-security-policy');
      assert.match(policy, /default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self' /);
      assert.ok(!/unsafe|\*/.test(policy), policy);
      assert.equal(response.headers.get('x-content-type-options'), 'nosniff');
    }
  });

  await check('other paths are 404, other methods 405; pages of other origins may not be in a room of the chat', async () => {
    const status = async (path, init) => (await fetch(server.url + path, init)).status;
    assert.equal(await status('other'), 404);
    assert.equal(await status('', { method: 'DELETE' }), 405);
    assert.equal(await status('columns/nothing/drop', { method: 'POST' }), 404);
    const headers = { Origin: 'https://other.example' };
    assert.equal(await status('rooms/lobby/messages', { headers }), 403);
    assert.equal(await status('rooms/compare/messages', { headers }), 200);
    assert.equal(await status('away', { method: 'POST', headers }), 403);
  });

  await check('a full server answers 503, and lets people in again when others leave', async () => {
    const { hostname, port } = new URL(server.url);
    const status = async () => (await fetch(server.url)).status;
    const crowd = [];
    try {
      // A few at a time: what overflows the queue of the listener would not count.
      while (crowd.length < 910) {
        const some = Array.from({ length: 35 }, () => connect(Number(port), hostname).on('error', () => {}));
        crowd.push(...some);
        await within(Promise.all(some.map((socket) => once(socket, 'connect'))), PATIENCE, 'the connections');
      }
      await until('503 is answered', async () => (await status()) === 503);
    } finally {
      for (const socket of crowd) socket.destroy();
    }
    await until('the page is served again', async () => (await status()) === 200);
  });
}

async function checkCompression() {
  await check('permessage-deflate is agreed on, and a long message is short on the wire, both ways', async () => {
    const scales = await startShears(server.url, 1000);
    const page = await open(browser, `${scales.url}#dense`); // nobody else is told of there
    const session = await page.context().newCDPSession(page);
    await session.send('Network.enable');
    const answered = once(session, 'Network.webSocketHandshakeResponseReceived');
    await page.fill('#name', 'dense');
    await page.press('#name', 'Enter');
    const [{ response }] = await within(answered, PATIENCE, 'the handshake');
    const [, extensions] = Object.entries(response.headers).find(([name]) => name.toLowerCase() === 'sec-websocket-extensions') ?? [];
    assert.match(extensions ?? 'no extension', /^permessage-deflate(;|$)/);
    await live(page);
    const long = 'And what was said yesterday is said again today. '.repeat(80).trim();
    const before = { ...scales };
    await say(page, long);
    await shows(page, long);
    for (const way of ['sent', 'heard']) {
      const len = scales[way] - before[way];
      assert.ok(len > 50 && len < long.length / 4, `${way}: ${len} bytes for ${long.length}`);
    }
    await page.context().close();
    scales.close();
  });
}

// ---------------------------------------------------------------- what networks and servers do

// Three people over three transports.
async function meet() {
  for (const endpoint of ['socket', 'events', 'stream']) wires.bob.blocked.add(endpoint);
  wires.cid.blocked.add('socket');
  const [ann, bob, cid] = await Promise.all(Object.entries(wires).map(([name, wire]) => enter(browser, wire.url, name)));
  await Promise.all([uses(ann, 'WebSocket'), uses(bob, 'long polling'), uses(cid, 'server-sent events')]);
  await say(ann, 'we are here');
  await allShow([ann, bob, cid], 'we are here');
  return { ann, bob, cid };
}

async function checkLink({ ann, bob, cid }) {
  await check('without a connection: a banner, words are kept with one tick, and sent in order when it is back', async () => {
    const before = await texts(ann);
    wires.ann.down = true;
    wires.ann.cut();
    await says(ann, '#banner', /^No connection/);
    await say(bob, 'said while ann was away');
    await shows(cid, 'said while ann was away');
    await say(ann, 'kept one');
    await say(ann, 'kept two');
    await says(ann, '#banner', /Your 2 messages are kept/);
    assert.equal(await ann.locator('#outbox .text').count(), 2);
    assert.equal(await ann.locator('#outbox .stored').count(), 0);
    await shoot(ann, 'chat-offline.png');
    wires.ann.down = false;
    await live(ann, RECONNECT);
    await allShow([ann, bob, cid], 'said while ann was away', 'kept one', 'kept two');
    await ticked(ann);
    assert.deepEqual(await texts(ann), [...before, 'said while ann was away', 'kept one', 'kept two']);
    assert.ok(await ann.locator('#banner').isHidden());
    assert.equal(await ann.locator('.divider.notice').count(), 0, 'it is the same log');
  });

  await check('a wire that swallows what is sent: noticed, and delivered once over the next connection', async () => {
    wires.ann.swallow = true;
    await say(ann, 'into the void');
    await rest(500);
    assert.equal(await count(bob, 'into the void'), 0);
    await until('the silence is noticed', async () => !await ann.locator('body.live').count(), RECONNECT);
    wires.ann.swallow = false;
    await allShow([ann, bob, cid], 'into the void');
    await ticked(ann);
    for (const page of [ann, bob, cid]) assert.equal(await count(page, 'into the void'), 1);
  });

  await check('a room that is forbidden is told as that, and not asked for again', async () => {
    const wire = await startWire(server.url);
    for (const endpoint of ['socket', 'events', 'stream', 'messages']) wire.refused.set(endpoint, 403);
    const eve = await open(browser, wire.url);
    await eve.fill('#name', 'eve');
    await eve.press('#name', 'Enter');
    await says(eve, '#banner', /^This room cannot be entered: not here/);
    const asked = wire.seen.length;
    await rest(1500);
    assert.equal(wire.seen.length, asked);
    await says(eve, '#banner', /^This room cannot be entered/);
    await eve.context().close();
    wire.close();
  });
}

async function checkRestart({ ann, bob, cid }) {
  const people = [ann, bob, cid];
  let old;

  await check('the server is killed: a banner says so to all, and what is written is kept', async () => {
    old = await texts(ann);
    await server.stop();
    for (const page of people) await says(page, '#banner', /^No connection/);
    await say(ann, 'said to nobody');
    await says(ann, '#banner', /Your message is kept/);
  });

  await check('it comes back on the same port with nothing kept: that is told, and they talk on, nothing doubled', async () => {
    server = await startServer(process.env.CHAT_BIN, server.address);
    for (const page of people) await live(page, RECONNECT);
    await allShow(people, 'said to nobody');
    for (const page of people) {
      await says(page, '.divider.notice', /The server was restarted/);
      assert.equal(await page.locator('.divider.notice').count(), 1);
      assert.ok(await page.locator('#banner').isHidden());
    }
    await say(bob, 'welcome back');
    await allShow(people, 'said to nobody', 'welcome back');
    assert.deepEqual(await texts(ann), [...old, 'said to nobody', 'welcome back']);
    await Promise.all(people.map(ticked));
    await isHere(cid, 'cid', 'ann', 'bob');
    await shoot(ann, 'chat-restarted.png');
  });
}

// ---------------------------------------------------------------- all of it

let server = await startServer(process.env.CHAT_BIN);
const wires = { ann: await startWire(server.url), bob: await startWire(server.url), cid: await startWire(server.url) };
const browser = await launch();

await finish(async () => {
  await checkServer();
  await checkCompression();
  const people = await meet();
  await checkLink(people);
  await checkRestart(people);
  await check('no page complained', () => assert.deepEqual(complaints, []));
  console.log(`pictures: ${artifacts}`);
}, ALL, browser);
