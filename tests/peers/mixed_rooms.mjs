// Clients in Node and in Python, over different transports, in one room of the example `rooms`.
// EXAMPLES: the folder of the built examples. PEERS: the folder that has the packages of both.
import assert from 'node:assert/strict';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { check, end, program, until } from './check.mjs';
import { reading } from './reading.mjs';
import { checkUnharmed, newRoom, objects, rooms } from './rooms.mjs';

const OWN = 50;
const TOTAL = 4 * OWN;
const PYTHON = path.join(process.env.PEERS, 'venv', 'bin', 'python');
const SCRIPT = fileURLToPath(new URL('mixed_client.py', import.meta.url));
const server = await rooms();

// Each client becomes ready, is told to `publish`, and has `seen` all at the end.

/** mixed_client.py, which publishes in its own way. */
function inPython(room, transport) {
  const client = `python-${transport}`;
  const it = program(PYTHON, SCRIPT, transport, `${server.port}`, room.path, client, `${OWN}`, `${TOTAL}`);
  return {
    ready: until(() => it.stdout.includes('ready\n') || it.child.exitCode !== null, () => client),
    publish: () => it.stdin.write('\n'),
    seen: it.ended.then((status) => {
      assert.equal(status, 0, it.stderr);
      return JSON.parse(it.stdout.slice('ready\n'.length));
    }),
  };
}

/** One that publishes by POST. */
const inNode = (room, client, ready, seen) => ({
  ready,
  seen,
  async publish() {
    for (let number = 0; number < OWN; number += 1) await room.publish(client, `${client}-${number}`, `${client} ${number}`);
  },
});

function byEventSource(room) {
  const source = reading(server.port, { target: room.target('events') });
  const seen = source.until(TOTAL).then(() => source.seen.map(([, , data]) => JSON.parse(data)));
  return inNode(room, 'node-eventsource', source.opened(), seen.finally(() => source.close()));
}

function byLines(room) {
  const opened = fetch(room.url('stream'));
  const seen = opened.then(async (answer) => {
    const publications = [];
    for await (const object of objects(answer)) {
      if ('data' in object) publications.push(object);
      if (publications.length === TOTAL) break;
    }
    return publications;
  });
  return inNode(room, 'node-lines', opened, seen);
}

await check(`rooms: four who publish ${OWN} each, over four transports, see the same ${TOTAL} in the same order`, async () => {
  const room = newRoom(server.port);
  const clients = [byEventSource(room), byLines(room), inPython(room, 'websockets'), inPython(room, 'long-polls')];
  await Promise.all(clients.map(({ ready }) => ready));
  const [seen] = await Promise.all([
    Promise.all(clients.map((client) => client.seen)),
    ...clients.map((client) => client.publish()),
  ]);
  for (const publications of seen) assert.deepEqual(publications, seen[0]);
  const sequences = seen[0].map(({ id }) => Number(id.split('-')[1]));
  assert.deepEqual(sequences, Array.from({ length: TOTAL }, (_, at) => at + 1));
  const names = ['node-eventsource', 'node-lines', 'python-long-polls', 'python-websockets'];
  assert.deepEqual([...new Set(seen[0].map(({ client }) => client))].toSorted(), names);
  for (const name of names) {
    const own = seen[0].filter(({ client }) => client === name).map(({ data }) => data);
    assert.deepEqual(own, Array.from({ length: OWN }, (_, number) => `${name} ${number}`), 'each own, in its order');
  }
});
await checkUnharmed(server);
end();
