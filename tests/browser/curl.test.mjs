// Each endpoint of a rooms server, asked with curl as the manual says it. One line a check; the last line counts them;
// exit status 1 if one failed.
//   ROOMS_BIN   the built example `rooms`; the model of the server by default
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { isDeepStrictEqual } from 'node:util';
import { check, finish, run, startServer, until, within } from './lab.mjs';

const PATIENCE = '30';         // of curl, s
const ALL = 120_000;
const CURSOR = /^[0-9a-f]{16}-\d+$/;

// What curl prints, and with which status it ends.
async function curl(...args) {
  const asked = start(...args);
  const [status] = await within(once(asked.child, 'close'), 60_000, `curl ${args.join(' ')}`);
  return { status, text: asked.text() };
}

function start(...args) {
  const child = run('curl', ['--silent', '--show-error', '--noproxy', '*', '--max-time', PATIENCE, ...args], ['ignore', 'pipe', 'inherit']);
  const chunks = [];
  child.stdout.on('data', (chunk) => chunks.push(chunk));
  return { child, text: () => Buffer.concat(chunks).toString() };
}

const at = (path) => `${server.url}rooms/${path}`;
const json = async (...args) => JSON.parse((await curl(...args)).text);
const code = async (...args) => (await curl('--output', '/dev/null', '--write-out', '%{http_code}', ...args)).text;
const post = (room, message, data, client = 'ann') => json(at(`${room}/messages`), '--data-raw', JSON.stringify({ client, message, data }));

// A stream is read until it has what it is to have; then curl is ended.
async function reads(wanted, ...args) {
  const asked = start('--no-buffer', ...args);
  try {
    await until(`the stream has ${wanted}`, () => asked.text().includes(wanted));
    return asked.text();
  } finally {
    asked.child.kill();
  }
}

async function checkAll() {
  await check('POST twice: the same id, new only the first time', async () => {
    const first = await post('post', 'm1', 'hello');
    const again = await post('post', 'm1', 'hello');
    assert.match(first.id, /-1$/);
    assert.deepEqual(again, { id: first.id, new: false });
    assert.deepEqual(first, { id: first.id, new: true });
    assert.match((await post('post', 'm2', 'more')).id, /-2$/);
    assert.match((await post('post', 'm1', 'hello', 'bob')).id, /-3$/);
  });

  await check('a poll: the page, its fields, no-store; after a cursor only what is behind it, after=end nothing', async () => {
    const { id } = await post('poll', 'm1', { number: 1 });
    await post('poll', 'm2', { number: 2 });
    const { text } = await curl('--include', at('poll/messages'));
    const [head, body] = text.split('\r\n\r\n');
    assert.match(head, /^HTTP\/1\.1 200 /);
    assert.match(head, /^cache-control: no-store/im);
    assert.match(head, /^content-type: application\/json/im);
    const page = JSON.parse(body);
    assert.deepEqual(Object.keys(page).sort(), ['cursor', 'epoch', 'first', 'gap', 'last', 'messages']);
    assert.deepEqual([page.first, page.last, page.gap, page.cursor], [1, 2, false, `${page.epoch}-2`]);
    const [one] = page.messages;
    assert.deepEqual([one.id, one.client, one.message, one.data], [id, 'ann', 'm1', { number: 1 }]);
    assert.ok(Math.abs(one.at - Date.now()) < 600_000, 'at is the time in ms');
    const rest = await json(at(`poll/messages?after=${id}`));
    assert.deepEqual(rest.messages.map(({ message }) => message), ['m2']);
    const end = await json(at('poll/messages?after=end'));
    assert.deepEqual([end.messages, end.cursor], [[], page.cursor]);
  });

  await check('pages of 100, asked on with their cursor, are the whole', async () => {
    const body = (number) => JSON.stringify({ client: 'ann', message: `m${number}`, data: number });
    for (let number = 1; number <= 250; number += 1) {
      await (await fetch(at('pages/messages'), { method: 'POST', body: body(number) })).json();
    }
    const read = [];
    for (let after = '', page; page?.cursor !== `${page?.epoch}-${page?.last}`; after = `?after=${page.cursor}`) {
      page = await json(at(`pages/messages${after}`));
      assert.ok(page.messages.length > 0 && page.messages.length <= 100);
      read.push(...page.messages.map(({ data }) => data));
    }
    assert.deepEqual(read, Array.from({ length: 250 }, (_, number) => number + 1));
  });

  await check('a cursor of another epoch: a gap, and all that there is', async () => {
    await post('gap', 'm1', 'one');
    const page = await json(at('gap/messages?after=0123456789abcdef-17'));
    assert.deepEqual([page.gap, page.messages.length], [true, 1]);
    const stream = await reads('"data":"one"', at('gap/stream?after=0123456789abcdef-17'));
    const [gap] = stream.trim().split('\n').map((line) => JSON.parse(line));
    assert.deepEqual(gap, { id: `${page.epoch}-0`, gap: { epoch: page.epoch, first: 1, last: 1 } });
  });

  await check('a long poll waits for news, and not longer than asked', async () => {
    const { id } = await post('wait', 'm1', 'old');
    const begun = Date.now();
    const empty = await json(at(`wait/messages?after=${id}&wait=1`));
    assert.deepEqual(empty.messages, []);
    assert.ok(Date.now() - begun >= 900, `${Date.now() - begun} ms`);
    const waiting = json(at(`wait/messages?after=${id}&wait=25`));
    await new Promise((done) => setTimeout(done, 500));
    await post('wait', 'm2', 'new');
    assert.deepEqual((await waiting).messages.map(({ data }) => data), ['new']);
    assert.ok(Date.now() - begun < 20_000, 'it did not sit its time out');
  });

  await check('the second long poll of a client ends the first with 204', async () => {
    const asked = at('second/messages?after=end&wait=20&client=ann');
    const first = code(asked);
    await until('it waits', async () => (await json(at('second/here'))).count === 1);
    await new Promise((done) => setTimeout(done, 500));
    const second = json(asked);
    assert.equal(await first, '204');
    await post('second', 'm1', 'news', 'bob');
    assert.equal((await second).messages.length, 1);
  });

  await check('stream -N: a place, then an object a line as it comes', async () => {
    const { id } = await post('stream', 'm1', 'one');
    const asked = start('--no-buffer', '--include', at('stream/stream'));
    await until('the first', () => asked.text().includes('"data":"one"'));
    await post('stream', 'm2', 'two\nlines');
    await until('the second', () => asked.text().includes('two'));
    asked.child.kill();
    const [head, body] = asked.text().split('\r\n\r\n');
    assert.match(head, /^content-type: application\/x-ndjson/im);
    assert.match(head, /^cache-control: no-store/im);
    const objects = body.trim().split('\n').map((line) => JSON.parse(line));
    assert.deepEqual(objects[0], { id: id.replace(/-1$/, '-0') });
    assert.deepEqual(objects.filter(({ data }) => data !== undefined).map(({ data }) => data), ['one', 'two\nlines']);
  });

  await check('events -N: named place, unnamed publications with id; Last-Event-ID wins over after', async () => {
    const { id } = await post('events', 'm1', 'one');
    await post('events', 'm2', 'two');
    const whole = await reads('"data":"two"', '--include', at('events/events'));
    assert.match(whole, /^content-type: text\/event-stream/im);
    const blocks = whole.split('\r\n\r\n')[1].split('\n\n').map((block) => block.split('\n').filter((line) => line && !line.startsWith(':')));
    const fields = (block) => Object.fromEntries(block.map((line) => [line.split(':')[0], line.slice(line.indexOf(':') + 1).trim()]));
    const events = blocks.filter((block) => block.length).map(fields);
    const place = events.find(({ event }) => event === 'place');
    assert.deepEqual([place.id, JSON.parse(place.data)], [id.replace(/-1$/, '-0'), { id: place.id }]);
    const one = events.find(({ data }) => data.includes('"one"'));
    assert.deepEqual([one.event, one.id, JSON.parse(one.data).data], [undefined, id, 'one']);
    for (const query of ['', '?after=end']) {
      const resumed = await reads('"data":"two"', '--header', `Last-Event-ID: ${id}`, at(`events/events${query}`));
      assert.ok(!resumed.includes('"data":"one"'));
      assert.ok(resumed.indexOf('event: place') >= 0 || resumed.indexOf('event:place') >= 0, 'the place is told');
    }
  });

  await check('here: who polls, who holds a stream and who says something of itself; changes are told', async () => {
    const state = encodeURIComponent('{"name":"Ann"}');
    const stream = start('--no-buffer', at(`here/stream?client=ann&state=${state}`));
    await until('ann is told of herself', () => stream.text().includes('"here"'));
    await json(at('here/messages?client=bob'));
    const of = async () => Object.fromEntries((await json(at('here/here'))).here.map(({ client, state: said }) => [client, said]));
    const are = (wanted) => until('who is here', async () => isDeepStrictEqual(await of(), wanted)); // it is told some time later
    await are({ ann: { name: 'Ann' }, bob: null });
    assert.equal(await code(at('here/here'), '--data-raw', '{"client":"bob","state":{"name":"Bob"}}'), '204');
    await are({ ann: { name: 'Ann' }, bob: { name: 'Bob' } });
    await until('ann is told of bob', () => stream.text().includes('"Bob"'));
    stream.child.kill();
    assert.equal((await json(at('here/here'))).count, 2, 'who was cut off is awaited back for a while');
  });

  await check('what is not allowed is told with the right status, and why', async () => {
    assert.equal(await code(at('no room/messages').replace(' ', '%20')), '404');
    assert.equal(await code(at(`${'x'.repeat(65)}/messages`)), '404');
    assert.equal(await code(at('lobby/nothing')), '404');
    assert.equal(await code('--request', 'DELETE', at('lobby/messages')), '405');
    assert.equal(await code(at('lobby/messages?wait=soon')), '400');
    assert.equal(await code(at('lobby/messages'), '--data-raw', '{"client":'), '400');
    assert.equal(await code(at('lobby/messages'), '--data-raw', '{"message":"m","data":1}'), '400');
    assert.equal(await code(at('lobby/messages'), '--data-raw', '{"client":"a b","message":"m","data":1}'), '400');
    assert.match(await code(at('lobby/socket')), /^4(00|26)$/);
    const big = start(at('lobby/messages'), '--output', '/dev/null', '--write-out', '%{http_code}', '--data-binary',
      JSON.stringify({ client: 'ann', message: 'm', data: 'x'.repeat(100_000) }));
    await once(big.child, 'close');
    assert.equal(big.text(), '413');
    const { text } = await curl('--include', at('lobby/messages'), '--data-raw', 'no JSON');
    assert.match(text, /^content-type: text\/plain/im);
    assert.ok(text.split('\r\n\r\n')[1].trim().length > 3, 'why');
  });

  await check('a page of another origin may ask, and its browser is told so beforehand', async () => {
    const { text } = await curl('--include', '--request', 'OPTIONS', at('lobby/messages'),
      '--header', 'Origin: https://other.example', '--header', 'Access-Control-Request-Method: POST', '--header', 'Access-Control-Request-Headers: content-type');
    assert.match(text, /^HTTP\/1\.1 20[04] /);
    assert.match(text, /^access-control-allow-origin: (\*|https:\/\/other\.example)\r$/im);
    assert.match(text, /^access-control-allow-methods: .*POST/im);
    assert.match(text, /^access-control-allow-headers: .*content-type/im);
  });

  await check('a cursor is 16 digits of an epoch, and a number', async () => {
    assert.match((await json(at('empty/messages'))).cursor, CURSOR);
    assert.match((await json(at('empty/messages'))).cursor, /-0$/);
  });
}

const server = await startServer(process.env.ROOMS_BIN);
await finish(checkAll, ALL);
