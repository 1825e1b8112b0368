// Node's own `fetch` in rooms of the example `rooms`: streaming, long polling, polling, publishing.
// EXAMPLES: the folder of the built examples.
import assert from 'node:assert/strict';
import { check, end } from './check.mjs';
import { assertCounted, checkUnharmed, FOREIGN, newRoom, objects, rooms } from './rooms.mjs';

const server = await rooms();
const checkRoom = (name, run) => check(`rooms: ${name}`, () => run(newRoom(server.port)));
const post = (url, body, headers = {}) => fetch(url, { method: 'POST', body, headers });

/** The next `count` publications of a room's stream; `kept` gets the other objects. */
async function streamed(room, query, count, kept = []) {
  const answer = await fetch(room.url('stream', query));
  const publications = [];
  for await (const object of objects(answer)) {
    ('data' in object ? publications : kept).push(object);
    if (publications.length === count) break;
  }
  return publications;
}

/** Polls on until there are `count` publications; `kept` gets the pages. */
async function polled(room, query, count, kept = []) {
  const publications = [];
  let after = {};
  while (publications.length < count) {
    const page = await room.page({ ...query, ...after });
    kept.push(page);
    publications.push(...page.messages);
    after = { after: page.cursor };
  }
  return publications;
}

// --- the stream of lines ---

await checkRoom('the head of a stream, and its lines: place, history, who is here', async (room) => {
  await room.count(1, 3);
  const answer = await fetch(room.url('stream'));
  assert.equal(answer.status, 200);
  assert.equal(answer.headers.get('content-type'), 'application/x-ndjson');
  assert.match(answer.headers.get('cache-control'), /\bno-store\b/);
  assert.equal(answer.headers.get('access-control-allow-origin'), '*');
  const lines = [];
  for await (const object of objects(answer)) {
    lines.push(object);
    if ('here' in object) break;
  }
  assertCounted(lines.slice(1, 4), 1, 3);
  assert.deepEqual([lines[0], lines.slice(4)], [{ id: lines[1].id.replace(/1$/, '0') }, [{ here: [], count: 0 }]]);
});
await checkRoom('a stream that is read while others publish has each once, in order', async (room) => {
  const publish = room.count(1, 200);
  const readers = Array.from({ length: 3 }, () => streamed(room, {}, 200));
  await publish;
  readers.push(streamed(room, {}, 200));
  for (const publications of await Promise.all(readers)) assertCounted(publications, 1, 200);
});
await checkRoom('a stream that is dropped ten times is resumed by after, also in the middle of history', async (room) => {
  const publish = room.count(1, 100);
  const seen = [];
  while (seen.length < 100) {
    const after = seen.length > 0 ? { after: seen.at(-1).id } : {};
    const others = [];
    seen.push(...await streamed(room, after, 10, others));
    assert.deepEqual(others.filter((object) => 'gap' in object), []);
  }
  await publish;
  assertCounted(seen, 1, 100);
});
await checkRoom('a stream from a cursor of another epoch begins with the gap', async (room) => {
  await room.count(1, 3);
  const others = [];
  assertCounted(await streamed(room, { after: FOREIGN }, 3, others), 1, 3);
  const { epoch } = await room.page();
  assert.deepEqual(others[0], { id: `${epoch}-0`, gap: { epoch, first: 1, last: 3 } });
});

// --- polls ---

await checkRoom('polls go through the pages: 100, 100, 50, nothing, and what is new', async (room) => {
  await room.count(1, 250);
  const pages = [];
  assertCounted(await polled(room, {}, 250, pages), 1, 250);
  assert.deepEqual(pages.map(({ messages }) => messages.length), [100, 100, 50]);
  for (const { cursor, messages, ...rest } of pages) {
    assert.deepEqual(rest, { epoch: cursor.slice(0, 16), first: 1, last: 250, gap: false });
    assert.equal(cursor, messages.at(-1).id);
  }
  const { cursor } = pages[2];
  assert.deepEqual(await room.page({ after: cursor }), { ...pages[2], messages: [] });
  assert.deepEqual(await room.page({ after: 'end' }), { ...pages[2], messages: [] });
  await room.count(251, 252);
  assertCounted((await room.page({ after: cursor })).messages, 251, 252);
});
await checkRoom('a poll loop while others publish has each once, in order', async (room) => {
  const publish = room.count(1, 150);
  assertCounted(await polled(room, {}, 150), 1, 150);
  await publish;
});
await checkRoom('a poll after another epoch, or after what fell out, is told of the gap', async (room) => {
  await room.count(1, 3);
  const foreign = await room.page({ after: FOREIGN });
  assert.deepEqual([foreign.gap, foreign.first, foreign.last], [true, 1, 3]);
  assertCounted(foreign.messages, 1, 3);
  const long = 'x'.repeat(60_000); // a room keeps a MiB
  for (let number = 4; number <= 23; number += 1) await room.publish('counter', `${number}`, long);
  const evicted = await room.page({ after: foreign.cursor });
  assert.deepEqual([evicted.gap, evicted.epoch, evicted.last], [true, foreign.epoch, 23]);
  assert.ok(evicted.first > 4, `the first that is left is ${evicted.first}`);
  assert.equal(evicted.messages[0].id, `${foreign.epoch}-${evicted.first}`);
  for (const after of ['nonsense', `${foreign.epoch}-24`, `${foreign.epoch}-99999999999999999999`]) {
    assert.equal((await room.page({ after })).gap, true, after);
  }
});

// --- long polls ---

await checkRoom('a long poll that is held is answered with what is published', async (room) => {
  await room.count(1, 1);
  const { cursor } = await room.page();
  const polls = Array.from({ length: 5 }, () => room.page({ after: cursor, wait: 15 }));
  const first = await Promise.race([...polls, new Promise((resolve) => setTimeout(resolve, 200, 'held'))]);
  assert.equal(first, 'held');
  await room.count(2, 2);
  for (const page of await Promise.all(polls)) assertCounted(page.messages, 2, 2);
});
await checkRoom('a long poll whose time is up has an empty list, and the same cursor', async (room) => {
  await room.count(1, 1);
  const page = await room.page();
  const begun = performance.now();
  assert.deepEqual(await room.page({ after: page.cursor, wait: 1 }), { ...page, messages: [] });
  const waited = performance.now() - begun;
  assert.ok(waited > 900, `it waited ${waited} ms`);
});
await checkRoom('a long poll loop while others publish has each once, in order', async (room) => {
  const loops = Array.from({ length: 3 }, (_, number) => polled(room, { wait: 15, client: `c${number}` }, 100));
  await room.count(1, 100);
  for (const publications of await Promise.all(loops)) assertCounted(publications, 1, 100);
});
await checkRoom('a second long poll of a client ends the first with 204', async (room) => {
  const target = room.url('messages', { client: 'ann', wait: 15 });
  const polls = [fetch(target), fetch(target)];
  const ended = await Promise.race(polls.map(async (poll, at) => ({ at, status: (await poll).status })));
  assert.equal(ended.status, 204);
  await room.count(1, 1);
  const other = await polls[1 - ended.at]; // which one came first is not for us to say
  assert.equal(other.status, 200);
  assertCounted((await other.json()).messages, 1, 1);
});

// --- publishing, and the rest of HTTP ---

await checkRoom('what is posted comes back as it is, whatever its type is said to be', async (room) => {
  const text = 'grüß dich, 世界 👋\u2028';
  const all = [text, '', 0, -1.5e-7, true, null, [], {}, { 'a "key"': [{ b: [[]] }] }, 'x'.repeat(60_000)];
  const types = ['application/json', 'text/plain;charset=UTF-8', 'application/x-www-form-urlencoded', 'nonsense'];
  for (const [number, data] of all.entries()) {
    const body = JSON.stringify({ client: 'ann', message: `${number}`, data });
    const answer = await post(room.url('messages'), body, { 'Content-Type': types[number % types.length] });
    assert.equal(answer.headers.get('content-type'), 'application/json');
    assert.equal(answer.headers.get('cache-control'), 'no-store');
    assert.equal((await answer.json()).new, true);
  }
  assert.deepEqual((await polled(room, {}, all.length)).map(({ data }) => data), all);
});
await checkRoom('of 20 equal posts at once one is new, all have its id, and it is stored once', async (room) => {
  const answers = await Promise.all(Array.from({ length: 20 }, () => room.publish('ann', 'm', 'once')));
  assert.equal(answers.filter(({ new: isNew }) => isNew).length, 1);
  assert.equal(new Set(answers.map(({ id }) => id)).size, 1);
  assert.deepEqual((await room.page()).messages.map(({ id, data }) => [id, data]), [[answers[0].id, 'once']]);
});
await checkRoom('a body that is streamed, of no announced length, is published', async (room) => {
  const parts = ['{"client":"ann",', '"message":"m",', '"data":"in parts"}'].map((part) => new TextEncoder().encode(part));
  const body = new ReadableStream({
    pull(controller) {
      if (parts.length > 0) controller.enqueue(parts.shift());
      else controller.close();
    },
  });
  const answer = await fetch(room.url('messages'), { method: 'POST', body, duplex: 'half' });
  assert.equal((await answer.json()).new, true);
  assert.equal((await room.page()).messages[0].data, 'in parts');
});
await checkRoom('HEAD has the head of GET and no body, and is not held', async (room) => {
  await room.count(1, 3);
  const heads = [];
  for (const method of ['GET', 'HEAD']) {
    const answer = await fetch(room.url('messages'), { method });
    const { connection, ...headers } = Object.fromEntries(answer.headers); // `fetch` keeps none behind a HEAD
    heads.push([answer.status, headers]);
    assert.equal((await answer.text()).length, method === 'GET' ? Number(answer.headers.get('content-length')) : 0);
  }
  assert.deepEqual(heads[1], heads[0]);
  const begun = performance.now();
  const answer = await fetch(room.url('messages', { after: 'end', wait: 15 }), { method: 'HEAD' });
  assert.equal(answer.status, 200);
  assert.ok(performance.now() - begun < 10_000, 'it was held');
});
await checkRoom('preflights of any origin are answered, for what the transports need', async (room) => {
  for (const [endpoint, method, header] of [
    ['messages', 'POST', 'content-type'], ['events', 'GET', 'last-event-id'], ['stream', 'GET', ''], ['here', 'POST', 'content-type'],
  ]) {
    const headers = { Origin: 'https://elsewhere.example', 'Access-Control-Request-Method': method };
    if (header) headers['Access-Control-Request-Headers'] = header;
    const answer = await fetch(room.url(endpoint), { method: 'OPTIONS', headers });
    const allowed = (name) => answer.headers.get(`access-control-allow-${name}`)?.toLowerCase().split(/, */);
    assert.ok([200, 204].includes(answer.status), `${endpoint} is ${answer.status}`);
    assert.deepEqual(allowed('origin'), ['*']);
    assert.equal(answer.headers.get('cache-control'), 'no-store');
    assert.equal(answer.headers.get('access-control-allow-credentials'), null);
    assert.ok(allowed('methods').includes(method.toLowerCase()), endpoint);
    assert.ok(header === '' || allowed('headers').includes(header), endpoint);
    assert.equal(await answer.text(), '');
  }
});
await checkRoom('refusals are short plain texts that nobody stores, and that pages may read', async (room) => {
  const message = (fields) => JSON.stringify({ client: 'ann', message: 'm', data: 0, ...fields });
  const posted = (body) => ({ method: 'POST', body });
  for (const [status, url, init] of [
    ...['', '{', '[]', 'null'].map((body) => [400, room.url('messages'), posted(body)]),
    ...[{ client: undefined }, { message: undefined }, { data: undefined }, { client: 'a b' }, { message: '' }, { message: 'x'.repeat(65) }]
      .map((fields) => [400, room.url('messages'), posted(message(fields))]),
    [400, room.url('messages', { wait: 'long' })],
    [400, room.url('messages', { client: '' })],
    [400, room.url('stream', { client: 'ann', state: '{' })],
    [404, room.url('elsewhere')],
    [404, `http://127.0.0.1:${server.port}/rooms/${'x'.repeat(65)}/messages`],
    [405, room.url('messages'), { method: 'DELETE' }],
    [405, room.url('stream'), { method: 'HEAD' }],
    [413, room.url('messages'), posted(message({ data: 'x'.repeat(70_000) }))],
    [413, room.url('here'), posted(message({ state: 'x'.repeat(2_000) }))],
  ]) {
    const answer = await fetch(url, init);
    const what = `${init?.method ?? 'GET'} ${url.slice(0, 120)} ${String(init?.body).slice(0, 80)}`;
    assert.equal(answer.status, status, what);
    assert.match(answer.headers.get('content-type'), /^text\/plain\b/, what);
    assert.equal(answer.headers.get('cache-control'), 'no-store', what);
    assert.equal(answer.headers.get('access-control-allow-origin'), '*', what);
    if (status === 405) assert.ok(answer.headers.get('allow').includes('GET'), what);
    const text = await answer.text();
    if (init?.method !== 'HEAD') assert.ok(text.length > 0 && text.length < 200, what);
  }
  assert.deepEqual((await room.page()).messages, []);
});
await checkRoom('the script of the browser is a module', async () => {
  const answer = await fetch(`http://127.0.0.1:${server.port}/rooms/talkback.js`);
  assert.equal(answer.headers.get('content-type'), 'text/javascript; charset=utf-8');
  const { TalkbackRoom } = await import(`data:text/javascript,${encodeURIComponent(await answer.text())}`);
  assert.equal(typeof TalkbackRoom, 'function');
});
await checkUnharmed(server);
end();
