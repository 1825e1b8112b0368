// npm `eventsource` reads rooms of the example `rooms`, over as many connections and servers as it takes.
// EXAMPLES: the folder of the built examples. PEERS: the folder whose node_modules has `eventsource`.
import assert from 'node:assert/strict';
import { check, end, EventSource, until } from './check.mjs';
import { cutting } from './cutting.mjs';
import { reading } from './reading.mjs';
import { assertCounted, checkUnharmed, FOREIGN, newRoom, rooms } from './rooms.mjs';

const NAMES = ['gap', 'place', 'here'];
const RETRY = 20;
const server = await rooms();

/** A reader of a room's events, whose kinds are told apart. */
function reader(port, target, how = {}) {
  const source = reading(port, { names: NAMES, target, ...how });
  source.of = (name) => source.seen.filter(([type]) => type === name).map(([, , data]) => JSON.parse(data));
  source.untilOf = (name, count) => until(
    () => source.of(name).length >= count,
    () => `${name} ${count}, after ${JSON.stringify(source.seen).slice(-500)}`,
  );
  return source;
}

/** Checks in a new room; `read` reads its events. */
const checkRoom = (name, run) => check(`rooms: ${name}`, async () => {
  const room = newRoom(server.port);
  const sources = [];
  const read = (query, how, port = server.port) => {
    sources.push(reader(port, room.target('events', query), how));
    return sources.at(-1);
  };
  try {
    await run(room, read);
  } finally {
    sources.forEach((source) => source.close());
  }
});

await checkRoom('the head is one that nobody stores or holds back, and pages of any origin may read it', async (room, read) => {
  const source = read();
  await source.opened();
  const { status, headers } = source.answers[0];
  assert.equal(status, 200);
  assert.equal(headers.get('content-type'), 'text/event-stream');
  assert.match(headers.get('cache-control'), /\bno-store\b/);
  assert.equal(headers.get('x-accel-buffering'), 'no');
  assert.equal(headers.get('access-control-allow-origin'), '*');
});
await checkRoom('place, history, then what is live, each with its id', async (room, read) => {
  await room.count(1, 5);
  const source = read();
  await source.untilOf('here', 1);
  await room.count(6, 8);
  await source.untilOf('message', 8);
  assertCounted(source.of('message'), 1, 8);
  for (const [type, id, data] of source.seen.filter(([name]) => name !== 'here')) assert.equal(id, JSON.parse(data).id, type);
  const [epoch] = source.of('message')[0].id.split('-');
  assert.deepEqual(source.seen[0], ['place', `${epoch}-0`, `{"id":"${epoch}-0"}`]);
  assert.deepEqual(source.of('gap'), []);
  assert.deepEqual(source.of('here'), [{ here: [], count: 0 }]);
});
await checkRoom('after=end is a place at the end, and what is new', async (room, read) => {
  await room.count(1, 3);
  const { id } = (await room.page()).messages.at(-1);
  const source = read({ after: 'end' });
  await source.untilOf('place', 1);
  await room.count(4, 5);
  await source.untilOf('message', 2);
  assert.deepEqual(source.of('place'), [{ id }]);
  assertCounted(source.of('message'), 4, 5);
});
await checkRoom('wherever it is cut, each publication comes once', async (room, read) => {
  await room.count(1, 30);
  // behind the head, in it, and in fields, line ends and chunks as they fall
  const limits = [290, 17, 350, 451, 552, 653, 754, 855, 956, 1057, 1158, 1259];
  await cutting(server.port, limits, async (port, count) => {
    const source = read({}, { retry: RETRY }, port);
    await source.untilOf('message', 30);
    await room.count(31, 40);
    await source.untilOf('message', 40);
    assertCounted(source.of('message'), 1, 40);
    assert.deepEqual(source.of('gap'), []);
    assert.ok(count() > 5, `only ${count()} connections: nothing was cut`);
    const asked = new Set(source.asked.map(({ id }) => id));
    assert.ok(asked.size >= 4, `it asked with ${[...asked]}: nothing was resumed`);
  });
});
await checkRoom('cut again and again while others publish, nothing is lost or doubled', async (room, read) => {
  await cutting(server.port, [], async (port, count, cut) => {
    const source = read({}, { retry: RETRY }, port);
    await source.opened();
    for (let round = 0; round < 5; round += 1) {
      cut();
      // it comes back in the midst of them
      await Promise.all([room.count(round * 40 + 1, round * 40 + 40), source.opened(round + 2)]);
    }
    await source.untilOf('message', 200);
    assertCounted(source.of('message'), 1, 200);
    assert.deepEqual(source.of('gap'), []);
    assert.equal(count(), 6);
  });
});
await checkRoom('one that had a place alone, of after=end, resumes at that place', async (room, read) => {
  await room.count(1, 3);
  await cutting(server.port, [], async (port, count, cut) => {
    const source = read({ after: 'end' }, { retry: RETRY }, port);
    await source.untilOf('place', 1);
    const { id } = source.of('place')[0];
    cut();
    await room.count(4, 6); // before, while or after it comes back
    await source.untilOf('message', 3);
    assertCounted(source.of('message'), 4, 6);
    assert.deepEqual(source.asked.map((asked) => asked.id), [undefined, id]);
  });
});
await checkRoom('a cursor of another epoch is a gap, with where it is now and what is left', async (room, read) => {
  await room.count(1, 3);
  const source = read({ after: FOREIGN });
  await source.untilOf('message', 3);
  const { epoch } = await room.page();
  const gap = { id: `${epoch}-0`, gap: { epoch, first: 1, last: 3 } };
  assert.deepEqual(source.seen[0], ['gap', gap.id, JSON.stringify(gap)]);
  assert.deepEqual([source.of('gap').length, source.of('place').length], [1, 0]);
  assertCounted(source.of('message'), 1, 3);
});
await checkRoom('what fell out of the room while it was away is a gap, then comes what is left', async (room, read) => {
  const limits = [Infinity, ...Array(1000).fill(0)]; // once it is cut it comes back in vain
  await cutting(server.port, limits, async (port, count, cut) => {
    const source = read({}, { retry: RETRY }, port);
    await room.count(1, 2);
    await source.untilOf('message', 2);
    cut();
    const long = 'x'.repeat(60_000); // a room keeps a MiB
    for (let number = 3; number <= 22; number += 1) await room.publish('counter', `${number}`, long);
    limits.length = 0;
    const { epoch, first, last } = await room.page();
    assert.ok(first > 3, `the first that is left is ${first}`);
    await source.untilOf('message', 2 + 23 - first);
    assert.deepEqual(source.of('gap'), [{ id: `${epoch}-${first - 1}`, gap: { epoch, first, last } }]);
    const numbers = source.of('message').map(({ message }) => Number(message));
    assert.deepEqual(numbers, [1, 2, ...Array.from({ length: 23 - first }, (_, at) => first + at)]);
  });
});
await checkRoom('who is here, with what they say of themselves, as it changes', async (room, read) => {
  const ann = read({ client: 'ann', state: '{"name":"Änn"}' });
  await until(() => ann.of('here').at(-1)?.count === 1, () => 'ann');
  const bob = read({ client: 'bob' });
  const both = (state) => ({ here: [{ client: 'ann', state: { name: 'Änn' } }, { client: 'bob', state }], count: 2 });
  for (const source of [ann, bob]) {
    await until(() => source.of('here').at(-1)?.count === 2, () => 'both');
    assert.deepEqual(source.of('here').at(-1), both(null));
  }
  const body = JSON.stringify({ client: 'bob', state: [1] });
  assert.equal((await fetch(room.url('here'), { method: 'POST', body })).status, 204);
  for (const source of [ann, bob]) {
    await until(() => JSON.stringify(source.of('here').at(-1)) === JSON.stringify(both([1])), () => 'the new state');
  }
  assert.deepEqual(await (await fetch(room.url('here'))).json(), both([1]));
});
await checkRoom('refusals stop it: no such room, no such client', async (room) => {
  for (const [target, status] of [
    ['/rooms/no%20room/events', 404], ['/rooms/a/elsewhere', 404], [room.target('events', { client: 'no blanks' }), 400],
  ]) {
    const source = reader(server.port, target);
    try {
      await until(() => source.readyState === EventSource.CLOSED, () => 'it to stop');
      assert.deepEqual(source.errors.map(({ code }) => code), [status]);
    } finally {
      source.close();
    }
  }
});
await check('rooms: behind a kill and a start of the server a gap is told, and it reads on', async () => {
  const first = await rooms();
  const room = newRoom(first.port);
  const source = reader(first.port, room.target('events'), { retry: 100 });
  let second;
  try {
    await room.count(1, 3);
    await source.untilOf('message', 3);
    const last = source.of('message')[2].id;
    await first.kill();
    await until(() => source.errors.length > 2, () => 'it to come back in vain');
    second = await rooms(first.port);
    await source.untilOf('gap', 1);
    assert.deepEqual(source.asked.map((asked) => asked.id), [undefined, ...Array(source.asked.length - 1).fill(last)]);
    const [{ id, gap }] = source.of('gap');
    assert.notEqual(gap.epoch, last.slice(0, 16));
    assert.deepEqual([id, gap.first, gap.last], [`${gap.epoch}-0`, 1, 0]);
    await room.count(1, 3); // of this epoch, so they are new
    await source.untilOf('message', 6);
    assertCounted(source.of('message').slice(3), 1, 3);
    assert.equal(source.of('message')[3].id, `${gap.epoch}-1`);
  } finally {
    source.close();
    await first.kill();
    await second?.kill();
  }
});
await checkUnharmed(server);
end();
