// The examples against npm `ws`: as the client of `echo`, and as the server of `client`.
// EXAMPLES: the folder of the built examples. PEERS: the folder whose node_modules has `ws`.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import net from 'node:net';
import { check, end, example, MIB, until, WebSocket } from './check.mjs';

// --- ws as the client of `echo` ---

const echo = example('echo', '127.0.0.1:0');
let url;

/** An open connection whose messages wait in a queue. */
async function open(options = {}, target = '', subprotocols = []) {
  const socket = new WebSocket(url + target, subprotocols, { maxPayload: 80 * MIB, ...options });
  const queue = [];
  let wake = () => {};
  socket.on('message', (data, isBinary) => { queue.push(isBinary ? data : data.toString()); wake(); });
  socket.closed = once(socket, 'close').then(([code, reason]) => ({ code, reason: reason.toString() }));
  socket.closed.catch(() => {}); // an error of a refused connection is seen by open() itself
  socket.next = async () => {
    while (queue.length === 0) await new Promise((resolve) => { wake = resolve; });
    return queue.shift();
  };
  await once(socket, 'open');
  return socket;
}

async function echoed(socket, message) {
  socket.send(message);
  const answer = await socket.next();
  assert.equal(typeof answer, typeof message);
  assert.ok(Buffer.from(answer).equals(Buffer.from(message)), 'the echo is not what was sent');
}

/** Opens, runs, and closes with 1000, which must come back. */
function withSocket(run, ...how) {
  return async () => {
    const socket = await open(...how);
    try {
      await run(socket);
      socket.close(1000);
      assert.equal((await socket.closed).code, 1000);
    } finally {
      socket.terminate();
    }
  };
}

async function echoChecks() {
  await check('echo: says where it listens', async () => {
    await until(() => echo.stdout.includes('\n'), () => 'the line that names the address');
    url = /^listening on (ws:\/\/127\.0\.0\.1:[1-9]\d*)\n$/.exec(echo.stdout)[1];
  });
  await check('echo: text', withSocket((socket) => echoed(socket, 'grüß dich, 世界 👋')));
  await check('echo: binary', withSocket((socket) => echoed(socket, Buffer.from([0, 255, 128, 10, 0]))));
  await check('echo: empty text, then empty binary', withSocket(async (socket) => {
    await echoed(socket, '');
    await echoed(socket, Buffer.alloc(0));
  }));
  for (const len of [125, 126, 127, 65535, 65536, MIB]) {
    await check(`echo: ${len} bytes of text and of binary`, withSocket(async (socket) => {
      await echoed(socket, 'x'.repeat(len));
      await echoed(socket, Buffer.alloc(len, 0xa5));
    }));
  }
  await check('echo: 64 MiB exactly', withSocket((socket) => echoed(socket, Buffer.alloc(64 * MIB, 7))));
  await check('echo: one byte more is 1009, from the header', async () => {
    const socket = await open();
    const header = Buffer.from([0x82, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4]);
    header.writeBigUInt64BE(BigInt(64 * MIB + 1), 2);
    socket._socket.write(header);
    assert.equal((await socket.closed).code, 1009);
  });
  await check('echo: without an offer of compression', withSocket((socket) => echoed(socket, 'plain'), { perMessageDeflate: false }));
  await check('echo: an offer of compression with parameters', withSocket((socket) => echoed(socket, 'x'.repeat(5000)), {
    perMessageDeflate: { threshold: 0, clientMaxWindowBits: 10, serverNoContextTakeover: true },
  }));
  await check('echo: a fragmented message, with a ping between', withSocket(async (socket) => {
    const pong = once(socket, 'pong');
    socket.send('grü', { fin: false });
    socket.send('', { fin: false });
    socket.ping('between');
    assert.equal((await pong)[0].toString(), 'between');
    socket.send('ße', { fin: true });
    assert.equal(await socket.next(), 'grüße');
  }));
  await check('echo: a ping of 0 and of 125 bytes', withSocket(async (socket) => {
    for (const payload of ['', 'p'.repeat(125)]) {
      const pong = once(socket, 'pong');
      socket.ping(payload);
      assert.equal((await pong)[0].toString(), payload);
    }
  }));
  await check('echo: an unasked pong is no matter', withSocket(async (socket) => {
    socket.pong('unasked');
    await echoed(socket, 'still here');
  }));
  await check('echo: 1000 messages at once come back in order', withSocket(async (socket) => {
    for (let i = 0; i < 1000; i += 1) socket.send(`message ${i}`);
    for (let i = 0; i < 1000; i += 1) assert.equal(await socket.next(), `message ${i}`);
  }));
  await check('echo: any path, any Origin, no subprotocol', withSocket(async (socket) => {
    assert.equal(socket.protocol, '');
    await echoed(socket, 'from elsewhere');
  }, { origin: 'https://elsewhere.example' }, '/any/path?with=query'));
  await check('echo: serves no subprotocol', async () => {
    await assert.rejects(open({}, '', ['chat']), /no subprotocol/);
  });
  for (const [code, reason] of [[1000, ''], [1000, 'done'], [1001, 'going away'], [4000, 'ours: ü'], [4999, 'r'.repeat(123)]]) {
    await check(`echo: answers a close ${code} with ${reason.length} characters of reason`, async () => {
      const socket = await open();
      socket.close(code, reason);
      assert.equal((await socket.closed).code, code);
    });
  }
  await check('echo: answers a close without a code with none', async () => {
    const socket = await open();
    socket.close();
    assert.equal((await socket.closed).code, 1005);
  });
  await check('echo: a dropped connection leaves the others alone', withSocket(async (socket) => {
    const dropped = await open();
    dropped.send('cut off', { fin: false });
    dropped.terminate();
    await dropped.closed;
    await echoed(socket, 'still here');
  }));
  await check('echo: a plain GET is answered 426', async () => {
    const [response] = await once(http.get(url.replace('ws:', 'http:')), 'response');
    response.resume();
    assert.equal(response.statusCode, 426);
    assert.equal(response.headers.upgrade?.toLowerCase(), 'websocket');
  });
  await check('echo: still runs, and printed nothing more', async () => {
    assert.equal(echo.child.exitCode, null);
    assert.match(echo.stdout, /^listening on [^\n]*\n$/);
  });
}

// --- ws as the server of `client` ---

/** `client` connected to a `ws` server that has one connection; all of it is ended afterwards. */
async function withClient(run, { target = '', ...options } = {}) {
  const server = new WebSocket.Server({ port: 0, host: '127.0.0.1', ...options });
  await once(server, 'listening');
  const address = `127.0.0.1:${server.address().port}`;
  const connection = once(server, 'connection');
  const client = example('client', `ws://${address}${target}`);
  try {
    const [socket, request] = await Promise.race([
      connection, client.ended.then((status) => { throw new Error(`client ended with ${status}: ${client.stderr}`); }),
    ]);
    const queue = [];
    socket.on('message', (data, isBinary) => queue.push(isBinary ? data : data.toString()));
    socket.on('error', () => {});
    const closed = once(socket, 'close').then(([code, reason]) => ({ code, reason: reason.toString() }));
    await run({ client, socket, request, queue, closed, address });
  } finally {
    client.child.kill('SIGKILL');
    server.clients.forEach((socket) => socket.terminate());
    server.close();
  }
}

const checkClient = (name, run, options) => check(`client: ${name}`, () => withClient(run, options));

/** `client` with a target that it cannot open: it ends with 1 and says why. */
const checkRefused = (name, target, said = /./) => check(`client: ${name}`, async () => {
  const client = example('client', await target());
  assert.equal(await client.ended, 1);
  assert.match(client.stderr, said);
  assert.equal(client.stdout, '');
});

async function clientChecks() {
  await checkClient('asks as RFC 6455 §4.1 says', async ({ request, address, socket }) => {
    const { headers } = request;
    assert.equal(request.method, 'GET');
    assert.equal(request.httpVersion, '1.1');
    assert.equal(request.url, '/path?query=1');
    assert.equal(headers.host, address);
    assert.equal(headers['sec-websocket-version'], '13');
    assert.equal(Buffer.from(headers['sec-websocket-key'], 'base64').length, 16);
    assert.equal(headers['sec-websocket-protocol'], undefined);
    assert.equal(socket.protocol, '');
  }, { target: '/path?query=1' });
  await checkClient('sends lines as text, in order, each unfragmented', async ({ client, queue }) => {
    client.stdin.write('one\ngrüß dich, 世界 👋\n\nfour\n');
    await until(() => queue.length === 4, () => `four messages, there are ${queue.length}`);
    assert.deepEqual(queue, ['one', 'grüß dich, 世界 👋', '', 'four']);
  });
  await checkClient('sends a line of 1 MiB', async ({ client, queue }) => {
    client.stdin.write(`${'y'.repeat(MIB)}\n`);
    await until(() => queue.length === 1, () => 'the message');
    assert.ok(queue[0] === 'y'.repeat(MIB));
  });
  await checkClient('prints what comes, while standard input stays open', async ({ client, socket }) => {
    socket.send('grüß dich');
    socket.send('twice');
    await until(() => client.stdout === 'grüß dich\ntwice\n', () => `two lines, there is ${JSON.stringify(client.stdout)}`);
  });
  await checkClient('prints a message of 1 MiB', async ({ client, socket }) => {
    socket.send('z'.repeat(MIB));
    await until(() => client.stdout.length === MIB + 1, () => `1 MiB, there are ${client.stdout.length}`);
    assert.ok(client.stdout === `${'z'.repeat(MIB)}\n`);
  });
  await checkClient('takes binary, and goes on', async ({ client, socket }) => {
    socket.send(Buffer.from([0, 1, 255]));
    socket.send('after binary');
    await until(() => client.stdout.endsWith('after binary\n'), () => 'the text behind it');
  });
  await checkClient('takes a fragmented message, with a ping between', async ({ client, socket }) => {
    const pong = once(socket, 'pong');
    socket.send('frag', { fin: false });
    socket.ping('between');
    assert.equal((await pong)[0].toString(), 'between');
    assert.equal(client.stdout, '');
    socket.send('', { fin: false });
    socket.send('mented', { fin: true });
    await until(() => client.stdout === 'fragmented\n', () => 'the whole message');
  });
  await checkClient('works with a server that compresses if it can', async ({ client, socket, queue }) => {
    socket.send('x'.repeat(5000));
    client.stdin.write(`${'y'.repeat(5000)}\n`);
    await until(() => client.stdout.length === 5001 && queue.length === 1, () => 'both messages');
  }, { perMessageDeflate: { threshold: 0 } });
  const closes = [[1000, '', 0], [1000, 'done', 0], [1001, 'going away', 1], [1011, 'broken', 1], [4000, 'ours: ü', 1], [4999, 'r'.repeat(123), 1]];
  for (const [code, reason, status] of closes) {
    await checkClient(`a close ${code} with ${reason.length} characters of reason ends it with ${status}`, async ({ client, socket, closed }) => {
      socket.close(code, reason);
      assert.equal(await client.ended, status);
      assert.equal((await closed).code, code);
      assert.ok(client.stderr.includes(String(code)), client.stderr);
      assert.ok(client.stderr.includes(reason), client.stderr);
    });
  }
  await checkClient('a close without a code ends it with 1', async ({ client, socket, closed }) => {
    socket.close();
    assert.equal(await client.ended, 1);
    assert.equal((await closed).code, 1005);
    assert.match(client.stderr, /./);
  });
  await checkClient('a message just before the close is printed', async ({ client, socket }) => {
    socket.send('last words');
    socket.close(1000);
    assert.equal(await client.ended, 0);
    assert.equal(client.stdout, 'last words\n');
  });
  await checkClient('a connection that drops ends it with 1', async ({ client, socket }) => {
    socket.terminate();
    assert.equal(await client.ended, 1);
    assert.match(client.stderr, /./);
  });
  await checkClient('the end of standard input closes with 1000', async ({ client, closed }) => {
    client.stdin.end();
    assert.equal(await client.ended, 0);
    assert.equal((await closed).code, 1000);
    assert.equal(client.stdout, '');
  });
  await checkClient('what was written before the end of standard input arrives, also an unended line', async ({ client, queue, closed }) => {
    client.stdin.end('first\nsecond\nno newline');
    assert.equal((await closed).code, 1000);
    assert.equal(await client.ended, 0);
    assert.deepEqual(queue, ['first', 'second', 'no newline']);
  });
  await checkClient('a masked frame from the server is 1002', async ({ client, socket, closed }) => {
    socket._socket.write(Buffer.from([0x81, 0x81, 0, 0, 0, 0, 0x61]));
    assert.equal((await closed).code, 1002);
    assert.equal(await client.ended, 1);
    assert.equal(client.stdout, '');
  });
  await checkClient('text that is not UTF-8 is 1007', async ({ client, socket, closed }) => {
    socket._socket.write(Buffer.from([0x81, 0x02, 0xc3, 0x28]));
    assert.equal((await closed).code, 1007);
    assert.equal(await client.ended, 1);
    assert.equal(client.stdout, '');
  });

  await checkRefused('a refused connection ends it with 1', async () => {
    const server = net.createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address();
    server.close();
    await once(server, 'close');
    return `ws://127.0.0.1:${port}`;
  });
  const server = http.createServer((request, response) => response.writeHead(403).end('not you'));
  const asked = [];
  server.on('upgrade', (request, socket) => {
    asked.push(request.url);
    const answers = {
      '/forbidden': 'HTTP/1.1 403 Forbidden\r\nContent-Length: 7\r\nConnection: close\r\n\r\nnot you',
      '/accept': 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n',
      '/silent': '',
    };
    socket.on('error', () => {});
    socket.end(answers[request.url] ?? '');
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const base = `ws://127.0.0.1:${server.address().port}`;
  const bad = ['', 'nonsense', 'ws://', 'ws://127.0.0.1:99999/', base.replace('ws:', 'http:'), base.slice(5), `${base}/#fragment`, `${base}/a b`];
  for (const [number, target] of bad.entries()) {
    await checkRefused(`bad URL ${number} (${target.replace(/:\d+/, ':PORT')}) ends it with 1`, () => target);
  }
  await check('client: nothing was asked with a bad URL', async () => assert.deepEqual(asked, []));
  await checkRefused('a server that answers 403 ends it with 1, the status is named', () => `${base}/forbidden`, /403/);
  await checkRefused('a wrong Sec-WebSocket-Accept ends it with 1', () => `${base}/accept`);
  await checkRefused('a server that hangs up in the handshake ends it with 1', () => `${base}/silent`);
  server.close();
}

await echoChecks();
await clientChecks();
end();
