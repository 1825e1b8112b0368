// What the server writes, read back by a browser's own means (`EventSource`, streams of `fetch`, `WebSocket`) and by the
// client: each byte of it. One line a check; the last line counts them; exit status 1 if one failed.
//   ROOMS_BIN   the built example `rooms`; the model of the server by default. CHROMIUM as in lab.mjs
import assert from 'node:assert/strict';
import { check, finish, launch, startServer } from './lab.mjs';

const ALL = 120_000;
const LIMIT = 30_000;          // for all of it to arrive, ms

// As JSON, as it is published: what is escaped here comes to the server escaped.
const DATA = [
  '""', '" "', '"\\n"', '"\\n\\n"', '"\\r\\n"', '"\\r"', '"one\\ntwo\\r\\nthree\\rfour\\n"', '"data: x\\n\\nevent: gap\\nid: 7\\n"', '": a comment"',
  '"\\"quotes\\" and \\\\ and \\/"', '"\\t\\b\\f"', '"\\u0000"', '"\\u0001\\u001f\\u007f"', '"\u007f\u0080\u009f\u00ad"', '"\ufeff"', '"\u2028\u2029"', '"\\u2028\\u2029"',
  '"äöüß ÆØÅ łódź"', '"Ελληνικά кириллица עברית العربية"', '"日本語 한국어 中文"', '"😀👩‍👩‍👧‍👦🇩🇪"', '"\\ud83d\\ude00"', '"e\u0301 \u00e9 \u200b\u200d\u202e"', '"\uffff\u{10ffff}"',
  '"</script><!-- -->&amp;"', '"null"', 'null', 'true', 'false', '0', '-0', '1e308', '0.1', '12345678901234567890', '[]', '{}', '[[],{},"",null]',
  '{"":"","a":{"b":[1,2,3]},"constructor":1,"__proto__":2,"id":"1-1","data":"inner"}', '{"a":1,"a":2}', '{"gap":{"epoch":"x"},"here":[],"ack":"m"}',
  `"${'long '.repeat(6000)}"`, `"${'\\n'.repeat(3000)}"`, `"${'😀'.repeat(4000)}"`,
];

async function publish(room, data) {
  for (const [at, json] of data.entries()) {
    const body = `{"client":"ann","message":"m${at}","data":${json}}`;
    const response = await fetch(`${server.url}rooms/${room}/messages`, { method: 'POST', body });
    assert.equal(response.status, 200, `${json.slice(0, 60)}: ${await response.text()}`);
  }
}

// The publications of a room, each as the bytes of its object, as a poll gives them.
async function polled(room) {
  const text = await (await fetch(`${server.url}rooms/${room}/messages`)).text();
  const messages = text.slice(text.indexOf('[') + 1, text.lastIndexOf(']'));
  const starts = [...messages.matchAll(/\{"id":"[0-9a-f]{16}-\d+","at":/g)].map(({ index }) => index);
  return starts.map((start, at) => messages.slice(start, starts[at + 1] && starts[at + 1] - 1));
}

// Runs in the page: each way of reading it all, as the texts of the objects.
async function read([url, count, limit]) {
  const enough = (collected, begin) => new Promise((resolve, reject) => {
    setTimeout(() => reject(new Error(`${collected.length} of ${count}`)), limit);
    begin((text) => {
      if (text.startsWith('{"id"') && text.includes('"data":')) collected.push(text);
      if (collected.length === count) resolve(collected);
    });
  });
  const events = enough([], (take) => {
    const source = new EventSource(`${url}/events`);
    source.onmessage = ({ data, lastEventId }) => take(lastEventId === JSON.parse(data).id ? data : `id ${lastEventId}`);
  });
  const socket = enough([], (take) => { new WebSocket(`${url.replace('http', 'ws')}/socket`).onmessage = ({ data }) => take(data); });
  const stream = enough([], async (take) => {
    const reader = (await fetch(`${url}/stream`)).body.getReader();
    const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
    for (let rest = ''; ;) {
      const lines = (rest + decoder.decode((await reader.read()).value, { stream: true })).split('\n');
      rest = lines.pop();
      lines.filter((line) => line).forEach(take);
    }
  });
  return { events: await events, socket: await socket, stream: await stream };
}

// Runs in the page: what the client tells, over one transport.
async function hear([url, count, transport]) {
  const { TalkbackRoom } = await import('/rooms/talkback.js');
  const room = new TalkbackRoom(url, { transports: [transport] });
  const told = [];
  await new Promise((resolve) => {
    room.addEventListener('message', ({ detail }) => {
      told.push(JSON.stringify(detail.data));
      if (told.length === count) resolve();
    });
  });
  room.close();
  return told;
}

async function checkAll() {
  await page.goto(server.url);
  await publish('bytes', DATA);
  const url = `${server.url}rooms/bytes`;
  const objects = await polled('bytes');

  await check(`${DATA.length} publications are stored with each byte of their data`, () => {
    assert.deepEqual(objects.map((object) => object.slice(object.indexOf('"data":') + 7, -1)), DATA);
    assert.deepEqual(objects.map((object) => JSON.parse(object).message), DATA.map((_, at) => `m${at}`));
  });

  await check('EventSource, a stream of fetch and a WebSocket read the same bytes', async () => {
    for (const [way, texts] of Object.entries(await page.evaluate(read, [url, DATA.length, LIMIT]))) assert.deepEqual(texts, objects, way);
  });

  for (const transport of ['websocket', 'events', 'streaming', 'long-polling', 'polling']) {
    await check(`the client tells the same data over ${transport}`, async () => {
      assert.deepEqual(await page.evaluate(hear, [url, DATA.length, transport]), DATA.map((json) => JSON.stringify(JSON.parse(json))));
    });
  }

  await check('what is no text or no JSON is refused, and nothing of it is stored', async () => {
    const bodies = ['{"client":"ann","message":"x","data":"\n"}', '{"client":"ann","message":"x","data":"\\x"}', '{"client":"ann","message":"x","data":}', '{"client":"ann","message":"x","data":1e400}',
      Buffer.from('{"client":"ann","message":"x","data":"\xff"}', 'latin1'), '{"client":"ann","message":"x","data":1} x'];
    for (const body of bodies) assert.equal((await fetch(`${url}/messages`, { method: 'POST', body })).status, 400, String(body));
    assert.equal((await polled('bytes')).length, DATA.length);
  });

  await check('blanks between the parts of data do not break a line of a stream or of an event', async () => {
    await publish('blanks', ['{\n  "a" : [ 1,\r\n 2 ]\n}', '\n"x"\n', '"end"']);
    const { events, socket, stream } = await page.evaluate(read, [`${server.url}rooms/blanks`, 3, LIMIT]);
    for (const texts of [events, socket, stream]) assert.deepEqual(texts.map((text) => JSON.parse(text).data), [{ a: [1, 2] }, 'x', 'end']);
  });
  await check('no error was left uncaught', () => assert.deepEqual(complaints, []));
}

const server = await startServer(process.env.ROOMS_BIN);
const browser = await launch();
const page = await browser.newPage();
const complaints = [];
page.on('pageerror', (error) => complaints.push(String(error)));
await finish(checkAll, ALL, browser);
