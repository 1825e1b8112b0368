// permessage-deflate with npm `ws`, as the client of `echo` and as the server of `client`, seen on the wire.
// EXAMPLES: the folder of the built examples. PEERS: the folder whose node_modules has `ws`.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import net from 'node:net';
import { check, end, example, MIB, until, WebSocket } from './check.mjs';

/** Text that shrinks to about a half by itself, and to next to nothing where it can refer to an earlier message of it. */
function twofold(len) {
  let text = '';
  for (let number = 0; text.length < len; number += 1) {
    text += createHash('sha512').update(`${number}`).digest('base64').slice(0, 84).repeat(2);
  }
  return text.slice(0, len);
}

/** The data frames in `bytes`, behind the handshake. A frame that is not there whole is left out. */
function dataFrames(bytes) {
  const frames = [];
  let rest = bytes.subarray(bytes.indexOf('\r\n\r\n') + 4);
  while (rest.length >= 2) {
    const short = rest[1] & 0x7f;
    const lenSize = { 126: 2, 127: 8 }[short] ?? 0;
    const headerLen = 2 + lenSize + (rest[1] & 0x80 ? 4 : 0);
    if (rest.length < headerLen) break;
    const len = lenSize ? Number(rest.readUIntBE(lenSize === 8 ? 4 : 2, lenSize === 8 ? 6 : 2)) : short;
    if (rest.length < headerLen + len) break;
    if ((rest[0] & 0x0f) < 8) frames.push({ compressed: (rest[0] & 0x40) !== 0, len });
    rest = rest.subarray(headerLen + len);
  }
  return frames;
}

/** Passes one connection on to `port`, and keeps what passed each way: `up` is from the client. */
async function relay(port) {
  const chunks = { up: [], down: [] };
  const sockets = [];
  const listener = net.createServer((near) => {
    const far = net.connect(port, '127.0.0.1');
    for (const [from, to, way] of [[near, far, 'up'], [far, near, 'down']]) {
      sockets.push(from);
      from.on('data', (chunk) => { chunks[way].push(chunk); to.write(chunk); });
      from.on('end', () => to.end());
      from.on('error', () => to.destroy());
    }
  }).listen(0, '127.0.0.1');
  await once(listener, 'listening');
  return {
    port: listener.address().port,
    frames: (way) => dataFrames(Buffer.concat(chunks[way])),
    extensions: (way) => /^sec-websocket-extensions: *(.*)\r$/im.exec(Buffer.concat(chunks[way]).toString('latin1'))?.[1],
    close() {
      sockets.forEach((socket) => socket.destroy());
      listener.close();
    },
  };
}

/** Whether the second of two equal messages could refer to the first: `kept` says whether it should. */
function assertTakeover(frames, len, kept) {
  assert.equal(frames.length, 2, JSON.stringify(frames));
  const [first, second] = frames;
  assert.ok(first.compressed && second.compressed, 'both bear RSV1');
  const byItself = ({ len: shrunk }) => shrunk > len * 0.3 && shrunk < len * 0.7;
  assert.ok(byItself(first), `the first: ${first.len} of ${len}`);
  assert.ok(kept ? second.len < len / 10 : byItself(second), `the second, ${kept ? 'with' : 'without'} the first: ${second.len} of ${len}`);
}

const OPTIONS = {
  defaults: {},
  'no takeover': { serverNoContextTakeover: true, clientNoContextTakeover: true },
  'a small window of the client': { serverMaxWindowBits: 10, clientMaxWindowBits: 9 },
  'a small window of the server': { serverMaxWindowBits: 9, clientMaxWindowBits: 10 },
};
const NAME = 'permessage-deflate';
const NO_TAKEOVER = `${NAME}; server_no_context_takeover; client_no_context_takeover`;

// --- ws as the client of `echo` ---

/** `ws`, connected through a relay to a server that listens on `port`; both end with the block. */
async function withSocket(port, perMessageDeflate, run) {
  const wire = await relay(port);
  const socket = new WebSocket(`ws://127.0.0.1:${wire.port}`, { maxPayload: 80 * MIB, perMessageDeflate });
  const queue = [];
  socket.on('message', (data, isBinary) => queue.push(isBinary ? data : data.toString()));
  const closed = once(socket, 'close');
  closed.catch(() => {});
  try {
    await once(socket, 'open');
    await run({ socket, queue, wire });
    socket.close(1000);
    assert.equal((await closed)[0], 1000);
  } finally {
    socket.terminate();
    wire.close();
  }
}

async function echoed({ socket, queue }, message, options = {}) {
  socket.send(message, options);
  await until(() => queue.length > 0, () => 'the echo');
  const answer = queue.shift();
  assert.equal(typeof answer, typeof message);
  assert.ok(Buffer.from(answer).equals(Buffer.from(message)), 'the echo is not what was sent');
}

async function echoChecks(kind, ...args) {
  const echo = example('echo', ...args, '127.0.0.1:0');
  await until(() => echo.stdout.includes('\n'), () => 'the line that names the address');
  const port = Number(/:(\d+)\n$/.exec(echo.stdout)[1]);
  const checkSocket = (name, perMessageDeflate, run) =>
    check(`echo, ${kind} states: ${name}`, () => withSocket(port, perMessageDeflate, run));

  // What is agreed on, and where a message can refer to the one before: to one of 700 bytes with windows
  // of 1,024 (10 bits), not of 512; to one of 3,000 with the largest.
  const rows = kind === 'private' ? [
    ['defaults', NAME, 3000, true, true],
    // that the client offers to keep none is a hint
    ['no takeover', `${NAME}; server_no_context_takeover`, 3000, true, false],
    ['a small window of the client', `${NAME}; server_max_window_bits=10; client_max_window_bits=9`, 700, false, true],
    ['a small window of the server', `${NAME}; server_max_window_bits=9; client_max_window_bits=10`, 700, true, false],
  ] : [
    ['defaults', NO_TAKEOVER, 3000, false, false],
    ['a small window of the client', `${NO_TAKEOVER}; server_max_window_bits=10; client_max_window_bits=9`, 3000, false, false],
  ];
  for (const [name, agreed, len, upKept, downKept] of rows) {
    await checkSocket(`${name}, seen on the wire`, { threshold: 0, ...OPTIONS[name] }, async (it) => {
      for (let round = 0; round < 2; round += 1) await echoed(it, twofold(len));
      assert.equal(it.wire.extensions('down'), agreed);
      assertTakeover(it.wire.frames('up'), len, upKept);
      assertTakeover(it.wire.frames('down'), len, downKept);
    });
  }
  await checkSocket('1 MiB of like lines is a fraction of it on the wire', { threshold: 0 }, async (it) => {
    await echoed(it, 'the same line, again and again\n'.repeat(MIB / 31));
    for (const way of ['up', 'down']) {
      const frames = it.wire.frames(way);
      assert.ok(frames.every((frame, number) => frame.compressed === (number === 0)), 'RSV1 on the first frame alone');
      const len = frames.reduce((sum, frame) => sum + frame.len, 0);
      assert.ok(len > 0 && len < MIB / 50, `${way}: ${len}`);
    }
  });
  await checkSocket('no compression where it is not offered', false, async (it) => {
    await echoed(it, 'x'.repeat(3000));
    assert.equal(it.wire.extensions('up'), undefined);
    assert.equal(it.wire.extensions('down'), undefined);
    for (const way of ['up', 'down']) assert.deepEqual(it.wire.frames(way), [{ compressed: false, len: 3000 }]);
  });
  for (const [name, options] of Object.entries(OPTIONS)) {
    await checkSocket(`${name}: messages of all lengths, plain ones among them, come back whole`, { threshold: 0, ...options }, async (it) => {
      const text = twofold(70_000);
      for (const len of [0, 1, 63, 64, 125, 126, 511, 512, 1023, 1024, 4096, 32_767, 32_768, 32_769, 65_535, 65_536, 70_000, 0, 64]) {
        await echoed(it, text.slice(0, len));
        await echoed(it, Buffer.alloc(len, 0xa5));
        await echoed(it, text.slice(-len), { compress: false });
      }
    });
  }
  await checkSocket('a compressed message in fragments, with a ping between', { threshold: 0 }, async (it) => {
    const [text, pong] = [twofold(9000), once(it.socket, 'pong')];
    it.socket.send(text.slice(0, 3000), { fin: false, compress: true });
    it.socket.ping('between');
    it.socket.send('', { fin: false, compress: true });
    it.socket.send(text.slice(3000), { fin: true, compress: true });
    assert.equal((await pong)[0].toString(), 'between');
    await until(() => it.queue.length === 1, () => 'the message');
    assert.ok(it.queue[0] === text);
    await echoed(it, text);
  });
  await checkSocket('1000 messages at once come back in order', { threshold: 0 }, async (it) => {
    for (let i = 0; i < 1000; i += 1) it.socket.send(`message ${i}: ${'x'.repeat(i * 2)}`);
    await until(() => it.queue.length === 1000, () => `1000 messages, there are ${it.queue.length}`);
    it.queue.forEach((text, i) => assert.equal(text, `message ${i}: ${'x'.repeat(i * 2)}`));
  });
  echo.child.kill('SIGKILL');
}

// --- ws as the server of `client` ---

/** `client` connected through a relay to a `ws` server; all of it is ended afterwards. */
async function withClient(perMessageDeflate, run) {
  const server = new WebSocket.Server({ port: 0, host: '127.0.0.1', perMessageDeflate });
  await once(server, 'listening');
  const connection = once(server, 'connection');
  const wire = await relay(server.address().port);
  const client = example('client', `ws://127.0.0.1:${wire.port}`);
  try {
    const [socket] = await Promise.race([
      connection, client.ended.then((status) => { throw new Error(`client ended with ${status}: ${client.stderr}`); }),
    ]);
    const queue = [];
    socket.on('message', (data) => queue.push(data.toString()));
    socket.on('error', () => {});
    await run({ client, socket, queue, wire });
  } finally {
    client.child.kill('SIGKILL');
    server.clients.forEach((socket) => socket.terminate());
    server.close();
    wire.close();
  }
}

async function clientChecks() {
  const rows = [
    ['defaults', NAME, 3000, true, true],
    ['no takeover', NO_TAKEOVER, 3000, false, false],
    ['a small window of the client', `${NAME}; client_max_window_bits=9; server_max_window_bits=10`, 700, false, true],
    ['a small window of the server', `${NAME}; client_max_window_bits=10; server_max_window_bits=9`, 700, true, false],
  ];
  for (const [name, agreed, len, upKept, downKept] of rows) {
    const options = { threshold: 0, ...OPTIONS[name] };
    await check(`client: ${name}, seen on the wire`, () => withClient(options, async ({ client, socket, queue, wire }) => {
      const text = twofold(len);
      for (let round = 1; round <= 2; round += 1) {
        client.stdin.write(`${text}\n`);
        socket.send(text);
        await until(() => queue.length === round && client.stdout.length === round * (len + 1), () => 'both messages');
      }
      assert.deepEqual(queue, [text, text]);
      assert.equal(client.stdout, `${text}\n${text}\n`);
      assert.equal(wire.extensions('up'), `${NAME}; client_max_window_bits`);
      const parameters = (list) => list.split('; ').sort();
      assert.deepEqual(parameters(wire.extensions('down')), parameters(agreed));
      assertTakeover(wire.frames('up'), len, upKept);
      assertTakeover(wire.frames('down'), len, downKept);
    }));
    await check(`client: ${name}: lines of all lengths arrive whole, both ways`, () => withClient(options, async ({ client, socket, queue }) => {
      const text = twofold(70_000);
      const lines = [0, 1, 63, 64, 125, 126, 512, 1024, 4096, 32_768, 65_535, 65_536, 70_000, 0, 64].map((len) => text.slice(0, len));
      const all = lines.map((line) => `${line}\n`).join('');
      client.stdin.write(all);
      lines.forEach((line, number) => socket.send(line, { compress: number % 3 !== 2 }));
      await until(() => queue.length === lines.length && client.stdout.length === all.length, () => 'all lines');
      assert.deepEqual(queue, lines);
      assert.ok(client.stdout === all);
    }));
  }
  await check('client: no compression where the server has none', () => withClient(false, async ({ client, socket, queue, wire }) => {
    client.stdin.write(`${'y'.repeat(3000)}\n`);
    socket.send('x'.repeat(3000));
    await until(() => queue.length === 1 && client.stdout.length === 3001, () => 'both messages');
    assert.equal(wire.extensions('down'), undefined);
    for (const way of ['up', 'down']) assert.deepEqual(wire.frames(way), [{ compressed: false, len: 3000 }]);
  }));
}

await echoChecks('shared');
await echoChecks('private', '--private');
await clientChecks();
end();
