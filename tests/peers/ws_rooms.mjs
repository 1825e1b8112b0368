// npm `ws` in rooms of the example `rooms`, with permessage-deflate offered.
// EXAMPLES: the folder of the built examples. PEERS: the folder whose node_modules has `ws`.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { check, end, until, WebSocket } from './check.mjs';
import { assertCounted, checkUnharmed, FOREIGN, newRoom, rooms } from './rooms.mjs';

const server = await rooms();

/** An open socket of a room that keeps the objects it gets. */
async function open(room, query, options = {}) {
  const url = room.url('socket', query).replace('http:', 'ws:');
  const socket = new WebSocket(url, { perMessageDeflate: { threshold: 0 }, ...options });
  socket.objects = [];
  socket.on('error', () => {}).on('message', (data, isBinary) => {
    assert.ok(!isBinary, 'only text comes down');
    socket.objects.push(JSON.parse(data));
  });
  socket.closed = once(socket, 'close').then(([code, reason]) => ({ code, reason: reason.toString() }));
  socket.tell = (object) => socket.send(JSON.stringify(object));
  socket.of = (name) => socket.objects.filter((object) => name in object);
  socket.untilOf = async (name, count) => {
    await until(() => socket.of(name).length >= count, () => `${name} ${count}, after ${JSON.stringify(socket.objects).slice(-500)}`);
    return socket.of(name);
  };
  await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
  return socket;
}

/** Checks in a new room; `join` opens sockets of it, which must still close with 1000 if they are open at the end. */
const checkRoom = (name, run) => check(`rooms: ${name}`, async () => {
  const room = newRoom(server.port);
  const sockets = [];
  const join = async (...how) => {
    sockets.push(await open(room, ...how));
    return sockets.at(-1);
  };
  try {
    await run(room, join);
    for (const socket of sockets.filter(({ readyState }) => readyState === WebSocket.OPEN)) {
      socket.close(1000);
      assert.equal((await socket.closed).code, 1000);
    }
  } finally {
    sockets.forEach((socket) => socket.terminate());
  }
});

for (const [what, perMessageDeflate, extensions] of [
  ['compression agreed on', { threshold: 0 }, /^permessage-deflate/],
  ['compression without takeover', { threshold: 0, clientNoContextTakeover: true, serverNoContextTakeover: true }, /^permessage-deflate/],
  ['no compression', false, /^$/],
]) {
  await checkRoom(`with ${what}: place, history, then what is live`, async (room, join) => {
    await room.count(1, 5);
    const socket = await join({}, { perMessageDeflate });
    assert.match(Object.keys(socket._extensions ?? {}).join(), extensions);
    await socket.untilOf('here', 1);
    await room.count(6, 8);
    assertCounted(await socket.untilOf('data', 8), 1, 8);
    const { epoch } = await room.page();
    assert.deepEqual(socket.objects[0], { id: `${epoch}-0` });
    assert.deepEqual(socket.objects.filter((object) => !('data' in object)), [{ id: `${epoch}-0` }, { here: [], count: 0 }]);
  });
}
await checkRoom('what it publishes is acknowledged, and seen by all, and by itself', async (room, join) => {
  const [ann, bob] = [await join({ client: 'ann' }), await join({ client: 'bob' })];
  const data = { text: 'grüß dich, 世界 👋\u2028', list: [1, -2.5e3, null, true, {}], 'a "key"': '' };
  ann.tell({ message: 'm-1', data });
  const { id, at } = (await bob.untilOf('data', 1))[0];
  assert.ok(Math.abs(at - Date.now()) < 60_000, `it was published at ${at}`);
  const publication = { id, at, client: 'ann', message: 'm-1', data };
  assert.deepEqual(bob.of('data'), [publication]);
  assert.deepEqual(await ann.untilOf('data', 1), [publication]);
  assert.deepEqual(await ann.untilOf('ack', 1), [{ ack: 'm-1', id, new: true }]);
  assert.deepEqual(bob.of('ack'), []);
});
await checkRoom('a repeat is acknowledged as not new, on this socket, another one, and by POST', async (room, join) => {
  const first = await join({ client: 'ann' });
  first.tell({ message: 'm', data: 1 });
  first.tell({ message: 'm', data: 1 });
  const [ack, repeat] = await first.untilOf('ack', 2);
  assert.equal(ack.new, true);
  assert.deepEqual(repeat, { ack: 'm', id: ack.id, new: false });
  first.terminate();
  const second = await join({ client: 'ann', after: 'end' });
  second.tell({ message: 'm', data: 1 });
  assert.deepEqual(await second.untilOf('ack', 1), [repeat]);
  assert.deepEqual(await room.publish('ann', 'm', 1), { id: ack.id, new: false });
  assert.equal((await room.publish('bob', 'm', 1)).new, true); // another one's
  assert.deepEqual((await room.page()).messages.map(({ client }) => client), ['ann', 'bob']);
});
await checkRoom('a message in fragments is published, and pings are answered meanwhile', async (room, join) => {
  const socket = await join({ client: 'ann' });
  const pong = once(socket, 'pong');
  socket.send('{"message":"m",', { fin: false });
  socket.ping('between');
  assert.equal((await pong)[0].toString(), 'between');
  socket.send('"data":"in fragments"}', { fin: true });
  assert.equal((await socket.untilOf('data', 1))[0].data, 'in fragments');
});
await checkRoom('300 at once are acknowledged and seen in order', async (room, join) => {
  const [ann, bob] = [await join({ client: 'ann' }), await join()];
  for (let number = 0; number < 300; number += 1) ann.tell({ message: `${number}`, data: number });
  const acks = await ann.untilOf('ack', 300);
  assert.deepEqual(acks.map(({ ack }) => Number(ack)), Array.from({ length: 300 }, (_, number) => number));
  for (const socket of [ann, bob]) {
    const seen = await socket.untilOf('data', 300);
    assert.deepEqual(seen.map(({ id, data }) => [id, data]), acks.map(({ id }, number) => [id, number]));
  }
});
await checkRoom('over ten dropped connections each publication comes once, by after', async (room, join) => {
  const seen = [];
  let after;
  for (let round = 0; round < 10; round += 1) {
    const socket = await join(after === undefined ? {} : { after });
    await room.count(round * 4 + 1, round * 4 + 2);
    seen.push(...await socket.untilOf('data', round === 0 ? 2 : 4));
    assert.deepEqual(socket.of('gap'), []);
    if (after !== undefined) assert.deepEqual(socket.objects[0], { id: after });
    socket.terminate();
    after = seen.at(-1).id;
    await room.count(round * 4 + 3, round * 4 + 4); // while it is away
  }
  assertCounted(seen, 1, 38);
});
await checkRoom('a cursor of another epoch is a gap, then comes what is left', async (room, join) => {
  await room.count(1, 3);
  const socket = await join({ after: FOREIGN });
  assertCounted(await socket.untilOf('data', 3), 1, 3);
  const { epoch } = await room.page();
  assert.deepEqual(socket.objects[0], { id: `${epoch}-0`, gap: { epoch, first: 1, last: 3 } });
  assert.equal(socket.of('gap').length, 1);
});
await checkRoom('what is too big is refused with 413, and the socket lives on', async (room, join) => {
  const socket = await join({ client: 'ann' });
  socket.tell({ message: 'big', data: 'x'.repeat(70_000) });
  const [refused] = await socket.untilOf('refused', 1);
  assert.deepEqual({ ...refused, error: typeof refused.error }, { refused: 'big', status: 413, error: 'string' });
  socket.tell({ message: 'small', data: 'x'.repeat(60_000) });
  assert.equal((await socket.untilOf('ack', 1))[0].new, true);
  assert.deepEqual((await room.page()).messages.map(({ message }) => message), ['small']);
});
await checkRoom('one without a name is refused with 400, and reads on', async (room, join) => {
  const socket = await join();
  socket.tell({ message: 'm', data: 1 });
  const [{ refused, status }] = await socket.untilOf('refused', 1);
  assert.deepEqual([refused, status], ['m', 400]);
  await room.count(1, 1);
  assertCounted(await socket.untilOf('data', 1), 1, 1);
});
await checkRoom('a message without data is refused with 400, and the socket lives on', async (room, join) => {
  const socket = await join({ client: 'ann' });
  socket.tell({ message: 'm' });
  socket.tell({ message: 'n', data: null });
  const [{ refused, status }] = await socket.untilOf('refused', 1);
  assert.deepEqual([refused, status], ['m', 400]);
  assert.equal((await socket.untilOf('ack', 1))[0].ack, 'n');
});
await checkRoom('a state that changes is seen by all, one that is too long is refused', async (room, join) => {
  const [ann, bob] = [await join({ client: 'ann', state: '{"colour":"#c33"}' }), await join({ client: 'bob' })];
  const becomes = (...here) => until(
    () => JSON.stringify(bob.of('here').at(-1)) === JSON.stringify({ here, count: here.length }),
    () => `${JSON.stringify(here)}, after ${JSON.stringify(bob.of('here'))}`,
  );
  const [is, was] = [{ client: 'bob', state: 'typing' }, { client: 'bob', state: null }];
  await becomes({ client: 'ann', state: { colour: '#c33' } }, was);
  bob.tell({ state: 'typing' });
  await becomes({ client: 'ann', state: { colour: '#c33' } }, is);
  bob.tell({ state: 'x'.repeat(2000) });
  const [refused] = await bob.untilOf('refused', 1);
  assert.deepEqual([refused.refused, refused.status], [null, 413]);
  ann.tell({ state: 0 });
  await becomes({ client: 'ann', state: 0 }, is);
});
await checkRoom('binary is 1003', async (room, join) => {
  const socket = await join({ client: 'ann' });
  socket.send(Buffer.from('{"message":"m","data":1}'));
  assert.equal((await socket.closed).code, 1003);
  assert.deepEqual((await room.page()).messages, []);
});
for (const text of [
  '', '{', 'null', '[]', '"text"', '{}',
  '{"message":1,"data":1}', '{"message":"","data":1}', '{"message":"m","data":}', '{"message":"m","data":1} x',
]) {
  await checkRoom(`nonsense is 1007: ${JSON.stringify(text)}`, async (room, join) => {
    const socket = await join({ client: 'ann' });
    socket.send(text);
    assert.equal((await socket.closed).code, 1007);
    assert.deepEqual((await room.page()).messages, []);
  });
}
await checkRoom('text that is not UTF-8 is 1007', async (room, join) => {
  const socket = await join({ client: 'ann' });
  socket.send(Buffer.from([0x22, 0xff, 0x22]), { binary: false });
  assert.equal((await socket.closed).code, 1007);
});
await checkRoom('refusals of the upgrade: no such room, no such client, no socket', async (room) => {
  for (const [url, status] of [
    [room.url('socket', { client: 'no blanks' }), 400],
    [`http://127.0.0.1:${server.port}/rooms/no%20room/socket`, 404],
    [room.url('elsewhere'), 404],
  ]) {
    const socket = new WebSocket(url.replace('http:', 'ws:')).on('error', () => {});
    const [request, response] = await once(socket, 'unexpected-response');
    request.destroy();
    assert.equal(response.statusCode, status, url);
  }
});
await checkUnharmed(server);
end();
