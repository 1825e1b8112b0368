// The example `rooms`, for the checks in Node.
import assert from 'node:assert/strict';
import { check, example, until } from './check.mjs';

/** A cursor of an epoch that no room has. */
export const FOREIGN = '1111111111111111-5';

/** The example as a child process, on a port of its own or on `port`. */
export async function rooms(port = 0) {
  const server = example('rooms', `127.0.0.1:${port}`);
  await until(() => server.stdout.includes('\n') || server.child.exitCode !== null, () => 'the line that names the address');
  server.port = Number(/^rooms: open http:\/\/127\.0\.0\.1:([1-9]\d*)\/\n$/.exec(server.stdout)?.[1]);
  assert.ok(server.port, `it said ${server.stdout}${server.stderr}`);
  server.kill = async () => {
    server.child.kill('SIGKILL');
    await server.ended;
  };
  return server;
}

let roomCount = 0;

/** A room that nobody was in yet, of the server at `port`. */
export function newRoom(port) {
  roomCount += 1;
  const path = `/rooms/peers-${roomCount}`;
  const room = {
    path,
    /** The path of an endpoint, with a query. */
    target: (endpoint, query = {}) => `${path}/${endpoint}?${new URLSearchParams(query)}`,
    url: (endpoint, query) => `http://127.0.0.1:${port}${room.target(endpoint, query)}`,
    /** Publishes; the answer has the publication's `id`, and whether it is `new`. */
    async publish(client, message, data) {
      const answer = await fetch(room.url('messages'), { method: 'POST', body: JSON.stringify({ client, message, data }) });
      assert.equal(answer.status, 200);
      return answer.json();
    },
    /** Publishes those of these numbers, one after the other. */
    async count(first, last) {
      for (let number = first; number <= last; number += 1) await room.publish('counter', `${number}`, { number });
    },
    /** A page of what was published. */
    async page(query) {
      const answer = await fetch(room.url('messages', query));
      assert.equal(answer.status, 200);
      return answer.json();
    },
  };
  return room;
}

/** The objects of a stream, as its lines come; leaving the loop drops the connection. */
export async function* objects(answer) {
  let text = '';
  for await (const piece of answer.body.pipeThrough(new TextDecoderStream())) {
    const lines = (text + piece).split('\n');
    text = lines.pop();
    yield* lines.filter((line) => line !== '').map((line) => JSON.parse(line));
  }
  assert.equal(text, '', 'it ends behind a line');
}

/** Checks that these are the publications of `count(first, last)` in a new room: each once, in order. */
export function assertCounted(publications, first, last) {
  const sequence = ({ id }) => Number(/^[0-9a-f]{16}-(\d+)$/.exec(id)?.[1]);
  const fields = (one) => [sequence(one), one.client, one.message, one.data];
  const counted = (_, at) => [first + at, 'counter', `${first + at}`, { number: first + at }];
  assert.deepEqual(publications.map(fields), Array.from({ length: last - first + 1 }, counted));
  assert.equal(new Set(publications.map(({ id }) => id.slice(0, 16))).size, 1, 'of one epoch');
}

/** The last check of a server. */
export const checkUnharmed = (server) => check('rooms: the server still runs, and printed nothing more', async () => {
  assert.equal(server.child.exitCode, null);
  assert.match(server.stdout, /^rooms: open [^\n]*\n$/);
  assert.equal(server.stderr, '');
});
