// The example `events` reads what a server of Node's `http` sends, over as many connections as it takes.
// EXAMPLES: the folder of the built examples. PEERS: the folder of the packages.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import { check, end, example, until } from './check.mjs';

const TYPE = { 'Content-Type': 'text/event-stream' };
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/**
 * A server that answers request number n by `answers[n]`, and behind the last of them by 204; with what was
 * asked, and when. Runs `events` on it.
 */
async function serving(answers, run, { lastEventId, target = '/events' } = {}) {
  const asked = [];
  const failures = [];
  const server = http.createServer(async (request, response) => {
    const answer = answers[asked.length] ?? gone;
    asked.push({ target: request.url, headers: request.headers, at: performance.now(), request });
    request.socket.setNoDelay(true);
    response.on('error', () => {});
    try {
      await answer(response, request);
    } catch (error) {
      failures.push(error);
      response.destroy();
    }
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const base = `http://127.0.0.1:${server.address().port}`;
  const events = example('events', base + target, ...(lastEventId === undefined ? [] : [lastEventId]));
  try {
    await run({ events, asked, base });
    assert.deepEqual(failures, []);
  } finally {
    events.child.kill('SIGKILL');
    await events.ended;
    server.closeAllConnections();
    server.close();
  }
}

const gone = (response) => response.writeHead(204).end();

/** Writes, and waits until it was handed to the system, so that each piece is a chunk, and mostly a packet. */
const write = (response, piece) => new Promise((resolve) => { response.write(piece, resolve); });

/** An answer of this stream in pieces of `size` bytes, cleanly ended. */
function stream(text, size = Infinity, headers = {}) {
  return async (response) => {
    response.writeHead(200, { ...TYPE, ...headers });
    if (response.getHeader('Content-Length') === undefined) response.flushHeaders();
    const bytes = Buffer.from(text);
    for (let at = 0; at < bytes.length; at += size) await write(response, bytes.subarray(at, at + size));
    response.end();
  };
}

const checkEvents = (name, ...how) => check(`events: ${name}`, () => serving(...how));

/** Checks that these answers, and a 204 behind them, make it print this, and end well. */
function checkPrinted(name, answers, expected, ids, how) {
  return checkEvents(name, answers, async ({ events, asked }) => {
    assert.equal(await events.ended, 0, events.stderr);
    assert.equal(events.stdout, expected);
    if (ids) assert.deepEqual(asked.map(({ headers }) => headers['last-event-id']), ids);
  }, how);
}

// Each line end, a comment, a BOM, a name, an id, data of several lines, text beyond ASCII, an unknown field,
// blocks without data, a field without a colon, one space and two; and at the end what is unfinished.
const MIXED = '\ufeff: hello\n\nretry: 5\r\nid: 1\rdata: one\r\n\r\nevent: größe\ndata: grüß dich, 世界 👋\n\n'
  + 'id: ü👋\ndata\ndata:\ndata:  two\r\rfoo: bar\nevent: nothing\n\nid: 4\n\ndata: \ufeff\n:\ndata:x:y\n\n\n\ndata: unfinished\n';
const MIXED_PRINTED = 'message [1] one\ngröße [1] grüß dich, 世界 👋\nmessage [ü👋] \n\n two\nmessage [4] \ufeff\nx:y\n';

await checkEvents('it asks as it should', [stream('retry: 5\n\n')], async ({ events, asked, base }) => {
  assert.equal(await events.ended, 0);
  for (const { target, headers } of asked) {
    assert.deepEqual({ target, ...headers }, {
      target: '/a?b=c', host: base.slice(7), accept: 'text/event-stream', 'accept-encoding': 'identity', 'cache-control': 'no-cache', connection: 'close',
    });
  }
  assert.equal(asked.length, 2);
}, { target: '/a?b=c' });
await checkEvents('it begins behind an id that it was given', [], async ({ events, asked }) => {
  assert.equal(await events.ended, 0);
  assert.deepEqual(asked.map(({ headers }) => headers['last-event-id']), ['41']);
}, { lastEventId: '41' });
for (const size of [1, 2, 3, 5, 7, 16, Infinity]) {
  const way = size === Infinity ? 'at once' : `in pieces of ${size}`;
  await checkPrinted(`a mixed stream ${way}`, [stream(MIXED, size)], MIXED_PRINTED);
}
const length = { 'Content-Length': Buffer.byteLength(MIXED) };
await checkPrinted('a mixed stream of a known length, in pieces of 1', [stream(MIXED, 1, length)], MIXED_PRINTED);
await checkPrinted('a mixed stream until the connection closes, in pieces of 1', [async (response) => {
  response.useChunkedEncodingByDefault = false;
  response.shouldKeepAlive = false;
  await stream(MIXED, 1)(response);
  assert.doesNotMatch(response._header, /transfer-encoding|content-length/i);
}], MIXED_PRINTED);
await checkEvents('an event is there as soon as its empty line is, also if that may be half of a CRLF', [async (response) => {
  response.writeHead(200, TYPE);
  response.write('data: a\r\n\r');
  await until(() => response.req.seen === 1, () => 'the first event');
  response.write('\ndata: b\r\r');
  await until(() => response.req.seen === 2, () => 'the second event');
  response.end('retry: 5\n\n');
}], async ({ events, asked }) => {
  await until(() => events.stdout === 'message [] a\n', () => 'the first event');
  asked[0].request.seen = 1;
  await until(() => events.stdout === 'message [] a\nmessage [] b\n', () => 'the second event');
  asked[0].request.seen = 2;
  assert.equal(await events.ended, 0);
});
await checkEvents('a CRLF that is cut by a pause is one line end', [async (response) => {
  response.writeHead(200, TYPE);
  for (const piece of ['retry: 5\r', '\ndata: a\r', '\ndata: b\r', '\n\r', '\n']) {
    response.write(piece);
    await pause(20);
  }
  response.end();
}], async ({ events }) => {
  assert.equal(await events.ended, 0);
  assert.equal(events.stdout, 'message [] a\nb\n');
});
await checkPrinted('a character that is cut by a pause is whole', [async (response) => {
  response.writeHead(200, TYPE);
  for (const byte of Buffer.from('👋ü')) {
    response.write(response.begun ? Buffer.of(byte) : Buffer.concat([Buffer.from('retry: 5\ndata: '), Buffer.of(byte)]));
    response.begun = true;
    await pause(10);
  }
  response.end('\n\n');
}], 'message [] 👋ü\n');
await checkPrinted('what is not UTF-8 is replaced', [stream(Buffer.from('retry: 5\ndata: a\xffb\xe4\xb8\ndata: c\n\n', 'latin1'), 1)], 'message [] a\ufffdb\ufffd\nc\n');
await checkPrinted('a second BOM is text, so its line is no field', [stream('\ufeff\ufeffdata: a\n\nretry: 5\ndata: b\n\n', 1)], 'message [] b\n');
await checkPrinted('each stream may begin with a BOM', [stream('\ufeffretry: 5\n\n'), stream('\ufeffdata: a\n\n'), stream('\ufeffdata: b\n\n', 1)],
  'message [] a\nmessage [] b\n');
await checkPrinted('256 KiB in a line, in chunks of 1,000', [stream(`retry: 5\ndata: ${'x'.repeat(256 * 1024)}\n\n`, 1000)], `message [] ${'x'.repeat(256 * 1024)}\n`);

await checkPrinted('an id stays, is sent back, and is forgotten once it is empty',
  [stream('retry: 5\nid: a\ndata: 1\n\ndata: 2\n\n'), stream('data: 3\n\nid\ndata: 4\n\n'), stream('data: 5\n\n')],
  'message [a] 1\nmessage [a] 2\nmessage [a] 3\nmessage [] 4\nmessage [] 5\n', [undefined, 'a', undefined, undefined]);
await checkPrinted('an id with NUL is ignored', [stream('retry: 5\nid: a\ndata: 1\n\nid: b\0\ndata: 2\n\n')], 'message [a] 1\nmessage [a] 2\n', [undefined, 'a']);
await checkPrinted('an id of a block without data counts, one that is unfinished does not', [stream('retry: 5\nid: a\n\nid: b\ndata: 1\n')], '', [undefined, 'a']);
await checkEvents('retry is what it waits at least, the last one counts, and what is no number does not',
  // each with an event: without one it would count as an attempt that failed, and the next wait be longer
  [stream('retry: 1000\n\nretry: 5\ndata: 1\n\n'), stream('retry: 400\n\nretry: 1s\n\nretry: -1\n\nretry:\ndata: 2\n\n'), stream('retry: 5\ndata: 3\n\n')], async ({ events, asked }) => {
    assert.equal(await events.ended, 0);
    const [first, second, third] = asked.slice(1).map(({ at }, number) => at - asked[number].at);
    assert.ok(first < 900, `${first} ms, not 100 to 200`);
    assert.ok(second >= 390 && second < 1800, `${second} ms, not 400 to 800`);
    assert.ok(third < 390, `${third} ms, not 100 to 200`);
  });

await checkEvents('a 204 at first ends it with 0', [], async ({ events, asked }) => {
  assert.equal(await events.ended, 0);
  assert.equal(events.stdout, '');
  await pause(50);
  assert.equal(asked.length, 1);
});
for (const status of [301, 302, 303, 307, 308]) {
  const to = (location) => (response) => response.writeHead(status, { Location: location }).end('over there');
  const answers = [to('/else/where?x=y'), to('../b/./c'), stream('retry: 5\nid: 1\ndata: a\n\n'), to('/d'), stream('id: 2\ndata: b\n\n')];
  await checkEvents(`a ${status} is followed, and the address stays as it was given`, answers, async ({ events, asked }) => {
    assert.equal(await events.ended, 0, events.stderr);
    assert.equal(events.stdout, 'message [1] a\nmessage [2] b\n');
    assert.deepEqual(asked.map(({ target, headers }) => [target, headers['last-event-id']]), [
      ['/events', undefined], ['/else/where?x=y', undefined], ['/b/c', undefined], ['/events', '1'], ['/d', '1'], ['/events', '2'],
    ]);
  });
}
const other = http.createServer((_, response) => stream('retry: 5\nid: 1\ndata: there\n\n')(response)).listen(0, '127.0.0.1');
await once(other, 'listening');
await checkPrinted('a redirect to another port is followed', [
  (response) => response.writeHead(307, { Location: `http://127.0.0.1:${other.address().port}/` }).end(),
], 'message [1] there\n', [undefined, '1']);
other.close();

/** Checks that this answer ends it with 1, after one request or `count`, and what it says. */
function checkRefused(name, answer, said, count = 1) {
  return checkEvents(name, Array(count + 1).fill(answer), async ({ events, asked }) => {
    assert.equal(await events.ended, 1);
    assert.match(events.stderr, said);
    assert.equal(events.stdout, '');
    await pause(20);
    assert.equal(asked.length, count);
  });
}
await checkRefused('redirects without end are not followed', (response) => response.writeHead(302, { Location: '/events' }).end(), /redirect/, 6);
await checkRefused('a redirect to https is not followed', (response) => response.writeHead(302, { Location: 'https://127.0.0.1/' }).end(), /redirect/i);
for (const status of [201, 304, 400, 401, 404, 429, 500, 503]) {
  await checkRefused(`a ${status} ends it with 1, and is named`, (response) => response.writeHead(status, TYPE).end(), new RegExp(`${status}`));
}
for (const type of ['text/plain', 'text/event-streams', 'application/json; text/event-stream']) {
  await checkRefused(`content that is ${type} ends it with 1`, (response) => response.writeHead(200, { 'Content-Type': type }).end('data: a\n\n'), /text\/event-stream/);
}
await checkRefused('content that is compressed ends it with 1', stream('data: a\n\n', Infinity, { 'Content-Encoding': 'gzip' }), /text\/event-stream/);
for (const type of ['TEXT/Event-Stream', 'text/event-stream;charset=utf-8', 'text/event-stream ; charset="latin1"']) {
  await checkPrinted(`content that is ${type} is read, as UTF-8`, [stream('retry: 5\ndata: ü\n\n', Infinity, { 'Content-Type': type })], 'message [] ü\n');
}

const block = (number) => `id: ${number}\r\nevent: e${number % 3}\r\ndata: event ${number}\r\ndata: grüß dich\r\n\r\n`;
const ways = {
  'ended cleanly': (response) => response.end(),
  'cut by a close': (response) => response.socket.destroy(),
  'cut by a reset': (response) => response.socket.resetAndDestroy(),
  'ended in the middle of an event': (response, next) => response.end(next.subarray(0, 30)),
  'cut in the middle of an event': async (response, next) => {
    await write(response, next.subarray(0, 41));
    response.socket.destroy();
  },
  'cut in the middle of a chunk': async (response, next) => {
    await new Promise((resolve) => { response.socket.write(Buffer.concat([Buffer.from('40\r\n'), next.subarray(0, 23)]), resolve); });
    response.socket.destroy();
  },
  'cut before the empty line': async (response, next) => {
    await write(response, next.subarray(0, -2));
    response.socket.destroy();
  },
  'followed by garbage where a chunk should begin': (response) => response.socket.end('no chunk'),
};
/** An answer of `count` events behind the id that was asked for, up to event 24, and then an end of this kind. */
function resumed(count, way) {
  return async (response, request) => {
    const next = Number(request.headers['last-event-id'] ?? 0) + 1;
    if (next > 24) return gone(response);
    response.writeHead(200, TYPE);
    response.write('retry: 5\n\n');
    for (let number = next; number < next + count; number += 1) await write(response, block(number));
    await pause(5); // a reset would take with it what was not read yet
    return way(response, Buffer.from(block(next + count)));
  };
}
const all = Array.from({ length: 24 }, (_, at) => `e${(at + 1) % 3} [${at + 1}] event ${at + 1}\ngrüß dich\n`).join('');
for (const [name, way] of Object.entries(ways)) {
  await checkPrinted(`streams that are ${name}: each event comes once`, Array(9).fill(resumed(3, way)), all,
    [undefined, ...Array.from({ length: 8 }, (_, at) => `${at * 3 + 3}`)]);
}
await checkPrinted('streams that are cut inside the last CRLF: its CR has ended the event', Array(6).fill(resumed(3, async (response, next) => {
  await write(response, next.subarray(0, -1));
  response.socket.end();
})), all, [undefined, ...Array.from({ length: 6 }, (_, at) => `${at * 4 + 4}`)]);
await checkPrinted('streams that end in each of these ways by turns: each event comes once',
  Array.from({ length: 25 }, (_, at) => resumed(1, Object.values(ways)[at % 8])), all);
await checkEvents('connections that fail on the way are tried again', [
  stream('retry: 5\nid: 1\ndata: a\n\n'),
  (response) => response.socket.destroy(),
  (response) => response.socket.resetAndDestroy(),
  (response) => response.socket.end('HTTP/1.1 200 OK\r\nContent-Ty'),
  stream('id: 2\ndata: b\n\n'),
], async ({ events, asked }) => {
  assert.equal(await events.ended, 0, events.stderr);
  assert.equal(events.stdout, 'message [1] a\nmessage [2] b\n');
  assert.deepEqual(asked.map(({ headers }) => headers['last-event-id']), [undefined, '1', '1', '1', '1', '2']);
});
await check('events: a server that is not there ends it with 1', async () => {
  const server = http.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  const events = example('events', `http://127.0.0.1:${port}/`);
  assert.equal(await events.ended, 1);
  assert.match(events.stderr, /./);
});
end();
