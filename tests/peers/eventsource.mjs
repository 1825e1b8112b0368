// npm `eventsource` reads the events of the example `feed`, over as many connections as it takes.
// EXAMPLES: the folder of the built examples. PEERS: the folder whose node_modules has `eventsource`.
import assert from 'node:assert/strict';
import { check, end, EventSource, example, until } from './check.mjs';
import { cutting } from './cutting.mjs';
import { reading } from './reading.mjs';

/** A feed that runs, with its port, and `say()` for its standard input. */
async function feeding(run) {
  const feed = example('feed', '127.0.0.1:0');
  const sources = [];
  feed.say = (...said) => said.forEach((one) => feed.stdin.write(`${JSON.stringify(one)}\n`));
  try {
    await until(() => feed.stdout.includes('\n'), () => 'the line that names the address');
    feed.port = Number(/^listening on http:\/\/127\.0\.0\.1:([1-9]\d*)\/events\n$/.exec(feed.stdout)[1]);
    feed.read = (...how) => {
      const source = reading(feed.port, ...how);
      sources.push(source);
      return source;
    };
    await run(feed);
    assert.equal(feed.stderr, '');
  } finally {
    sources.forEach((source) => source.close());
    feed.child.kill('SIGKILL');
    await feed.ended;
  }
}

const checkFeed = (name, run) => check(`feed: ${name}`, () => feeding(run));
const numbered = (from, to) => Array.from({ length: to - from + 1 }, (_, at) => ['message', `${from + at}`, `event ${from + at}`]);
const events = (from, to) => numbered(from, to).map(([, , data]) => ({ data }));

await checkFeed('the stream opens at once, before any event, as one that nobody stores or holds back', async (feed) => {
  const source = feed.read();
  await source.opened();
  const { status, headers } = source.answers[0];
  assert.equal(status, 200);
  assert.equal(headers.get('content-type'), 'text/event-stream');
  assert.equal(headers.get('cache-control'), 'no-store, no-transform');
  assert.equal(headers.get('x-accel-buffering'), 'no');
  assert.equal(headers.get('transfer-encoding'), 'chunked');
  assert.deepEqual(source.asked.map(({ id }) => id), [undefined]);
});
await checkFeed('names and ids', async (feed) => {
  const source = feed.read({ names: ['news', 'größe: 1'] });
  await source.opened();
  feed.say({ data: 'a' }, { data: 'b', name: 'news' }, { data: 'c', name: 'größe: 1' }, { data: 'not listened to', name: 'other' }, { data: 'd' });
  await source.until(4);
  assert.deepEqual(source.seen, [['message', '1', 'a'], ['news', '2', 'b'], ['größe: 1', '3', 'c'], ['message', '5', 'd']]);
});
for (const [what, data, expected = data] of [
  ['two lines', 'one\ntwo'],
  ['empty lines before, between and behind', '\n\none\n\ntwo\n\n'],
  ['nothing', ''],
  ['a single line feed', '\n'],
  ['lines that end in CR and in CRLF', 'one\rtwo\r\nthree', 'one\ntwo\nthree'],
  ['blanks before and behind', '  two spaces, a tab\t '],
  ['what looks like fields', 'id: 9\nevent: other\nretry: 1\n: comment\ndata: x'],
  ['text beyond ASCII', 'grüß dich, 世界 👋\u2028\u0085\ufeff'],
  ['a NUL', 'a\0b'],
  ['256 KiB in a line', 'x'.repeat(256 * 1024)],
  ['10,000 lines', 'line\n'.repeat(10_000)],
]) {
  await checkFeed(`data that is ${what}`, async (feed) => {
    const source = feed.read();
    await source.opened();
    feed.say({ data }, { data: 'behind' });
    await source.until(2);
    assert.deepEqual(source.seen, [['message', '1', expected], ['message', '2', 'behind']]);
  });
}
await checkFeed('comments are not seen, what is around them is', async (feed) => {
  const source = feed.read();
  await source.opened();
  feed.say({ comment: 'hush' }, { data: 'a' }, { comment: 'two\n\ndata: lines' }, { data: 'b' }, { comment: '' }, { data: 'c' });
  await source.until(3);
  assert.deepEqual(source.seen.map(([, , data]) => data), ['a', 'b', 'c']);
});
await checkFeed('1,000 events at once come in order', async (feed) => {
  const source = feed.read();
  await source.opened();
  feed.say(...events(1, 1000));
  await source.until(1000);
  assert.deepEqual(source.seen, numbered(1, 1000));
});
await checkFeed('ten readers see the same, also one who comes late', async (feed) => {
  const sources = Array.from({ length: 9 }, () => feed.read());
  await Promise.all(sources.map((source) => source.opened()));
  feed.say(...events(1, 20));
  await sources[0].until(20);
  sources.push(feed.read());
  await sources[9].until(20);
  feed.say(...events(21, 40));
  for (const source of sources) {
    await source.until(40);
    assert.deepEqual(source.seen, numbered(1, 40));
  }
});
await checkFeed('behind a clean end it comes back as soon as retry says, with the last id', async (feed) => {
  const source = feed.read();
  await source.opened();
  feed.say({ retry: 200 }, ...events(1, 3), { end: true }, ...events(4, 5));
  await source.until(5);
  assert.deepEqual(source.seen, numbered(1, 5));
  assert.deepEqual(source.asked.map(({ id }) => id), [undefined, '3']);
  const waited = source.asked[1].at - source.errors[0].at;
  assert.ok(waited > 190 && waited < 2000, `it waited ${waited} ms`); // 3 s is its own choice
  assert.deepEqual(source.errors.map(({ code }) => code), [undefined]);
});
await checkFeed('over ten clean ends each event comes once', async (feed) => {
  feed.say({ retry: 10 });
  const source = feed.read();
  for (let round = 0; round < 10; round += 1) {
    await source.opened(round + 1);
    const first = round * 5 + 1;
    // some of them while nobody reads
    feed.say(...events(first, first + 2), { end: true }, ...events(first + 3, first + 4));
    await source.until(first + 4);
  }
  assert.deepEqual(source.seen, numbered(1, 50));
  const ids = source.asked.map(({ id }) => id).slice(0, 10);
  assert.deepEqual(ids, [undefined, ...Array.from({ length: 9 }, (_, round) => `${round * 5 + 3}`)]);
});
await checkFeed('wherever it is cut, each event comes once', async (feed) => {
  feed.say({ retry: 10 }, ...events(1, 30));
  const head = 'HTTP/1.1 200 OK\r\n'.length;
  // in the head, behind it, and in fields, line ends and chunks as they fall
  const limits = [head, 260, 301, 352, 383, 404, 425, 446, 467, 480, 491, 502, 513, 524, 535];
  await cutting(feed.port, limits, async (port, count) => {
    const source = reading(port);
    try {
      await source.until(30);
      feed.say(...events(31, 33));
      await source.until(33);
      assert.deepEqual(source.seen, numbered(1, 33));
      const ids = source.asked.map(({ id }) => Number(id ?? 0));
      assert.deepEqual(ids, ids.toSorted((one, other) => one - other));
      assert.ok(count() >= 5, `only ${count()} connections: nothing was cut`);
      assert.ok(new Set(ids).size >= 4, `it asked for ${ids}: nothing was resumed`);
    } finally {
      source.close();
    }
  });
});
await checkFeed('a 204 stops it', async (feed) => {
  const source = feed.read();
  await source.opened();
  feed.say({ retry: 10 }, ...events(1, 2), { over: true });
  await until(() => source.readyState === EventSource.CLOSED, () => 'it to stop');
  await new Promise((resolve) => setTimeout(resolve, 100));
  assert.deepEqual(source.seen, numbered(1, 2));
  assert.deepEqual(source.asked.map(({ id }) => id), [undefined, '2']);
  assert.deepEqual(source.errors.map(({ code }) => code), [undefined, 204]);
});
await checkFeed('a 404 stops it', async (feed) => {
  const source = feed.read({ target: '/elsewhere' });
  await until(() => source.readyState === EventSource.CLOSED, () => 'it to stop');
  assert.deepEqual(source.errors.map(({ code }) => code), [404]);
});
await checkFeed('a reader that leaves is no harm to the others', async (feed) => {
  const [one, other] = [feed.read(), feed.read()];
  await Promise.all([one.opened(), other.opened()]);
  feed.say(...events(1, 2));
  await one.until(2);
  one.close();
  for (let number = 3; number <= 40; number += 1) {
    feed.say({ data: `event ${number}` });
    await other.until(number);
  }
  assert.deepEqual(other.seen, numbered(1, 40));
  assert.deepEqual(one.seen, numbered(1, 2));
});
await checkFeed('a server that drains ends the stream cleanly, behind what was said', async (feed) => {
  const source = feed.read();
  await source.opened();
  feed.say(...events(1, 50));
  feed.stdin.end();
  assert.equal(await feed.ended, 0);
  await until(() => source.errors.length > 0, () => 'the end of the stream');
  assert.deepEqual(source.seen, numbered(1, 50));
  assert.equal(source.readyState, EventSource.CONNECTING);
});
end();
