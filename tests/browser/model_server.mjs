// A model of the rooms server, true to the wire contract and small. The tests run against it where no built server is
// given. By itself (`node model_server.mjs [PORT]`) it serves the demo with its columns.
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Room } from './model_room.mjs';
import { accept } from './model_socket.mjs';

const ROOT = new URL('../../', import.meta.url);
const FILES = new Map([
  ['/', 'examples/chat/page.html'], ['/compare', 'examples/chat/compare.html'], ['/rooms/talkback.js', 'src/room/talkback.js'],
  ...['page.css', 'page.js', 'talk.js', 'compare.css', 'compare.js', 'column.js', 'chart.js'].map((name) => [`/${name}`, `examples/chat/${name}`]),
]);
const TYPES = { '.html': 'text/html; charset=utf-8', '.css': 'text/css', '.js': 'text/javascript' };
const POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src *; img-src 'self' data:; worker-src 'self'";
const COLUMNS = ['polling', 'long-polling', 'streaming', 'events', 'websocket', 'automatic'];
const LONGEST_BODY = 64 * 1024;

class Refusal extends Error {
  constructor(status, why) {
    super(why);
    this.status = status;
  }
}

async function body(request) {
  let text = '';
  for await (const chunk of request) if ((text += chunk).length > LONGEST_BODY) throw new Refusal(413, 'too big');
  return parsed(text);
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    throw new Refusal(400, 'no JSON');
  }
}

// ---------------------------------------------------------------- the ways to read

const write = {
  stream: (response, object) => response.write(`${JSON.stringify(object)}\n`),
  events(response, object) {
    const name = object.gap ? 'gap' : object.here ? 'here' : object.data === undefined ? 'place' : '';
    response.write(`${name && `event: ${name}\n`}${object.id ? `id: ${object.id}\n` : ''}data: ${JSON.stringify(object)}\n\n`);
  },
};

// A stream of either kind, or a socket: the log, and who is here.
function attend(room, query, push) {
  const ends = [room.follow(query.get('after'), push)];
  if (query.has('client')) {
    let told = '';
    const watch = () => {
      const here = room.here();
      if (told !== (told = JSON.stringify(here))) push(here);
    };
    ends.push(room.join(query.get('client'), parsed(query.get('state') ?? 'null')), () => room.watchers.delete(watch));
    room.watchers.add(watch);
    watch();
  }
  return () => { for (const end of ends.splice(0).reverse()) end(); };
}

function stream(room, kind, query, response) {
  const type = kind === 'events' ? 'text/event-stream' : 'application/x-ndjson';
  response.writeHead(200, { 'Content-Type': type, 'Cache-Control': 'no-store' });
  response.flushHeaders();
  const end = attend(room, query, (object) => write[kind](response, object));
  const beat = setInterval(() => response.write(kind === 'events' ? ':\n\n' : '\n'), 15_000);
  response.on('close', () => { clearInterval(beat); end(); });
}

async function poll(room, query, response, held) {
  const client = query.get('client');
  const wait = Math.min(50, Number(query.get('wait') ?? 0));
  let page = room.page(query.get('after'));
  if (wait && !page.messages.length && !page.gap) {
    held.get(client)?.(204);
    let stop;
    const status = await new Promise((done) => {
      const read = () => done();
      const timer = setTimeout(read, wait * 1000);
      held.set(client, done);
      room.readers.add(read);
      response.on('close', read);
      stop = () => {
        clearTimeout(timer);
        room.readers.delete(read);
        if (held.get(client) === done) held.delete(client);
      };
    });
    stop();
    if (status === 204) return response.writeHead(204).end();
    page = room.page(query.get('after'));
  }
  return json(response, page);
}

function json(response, object) {
  response.writeHead(200, { 'Content-Type': 'application/json', 'Cache-Control': 'no-store' });
  response.end(JSON.stringify(object));
}

function speak(room, client, text, peer) {
  const { message, data, state } = parsed(text);
  if (state !== undefined) return room.change(client, state);
  if (text.length > LONGEST_BODY) return peer.send({ refused: message, status: 413, error: 'too big' });
  const { id, new: isNew } = room.publish(client, message, data);
  return peer.send({ ack: message, id, new: isNew });
}

// ---------------------------------------------------------------- a port

// Counts what passes its sockets, and can cut them. `name` is that of a column, or empty.
async function listen(name, port, { answer, upgrade }) {
  const sockets = new Set();
  const gone = { requests: 0, received: 0, sent: 0 };
  const add = (sum, socket) => {
    sum.received += socket.bytesRead;
    sum.sent += socket.bytesWritten;
  };
  const server = createServer((request, response) => {
    gone.requests += 1;
    answer(request, response, name).catch((error) => {
      response.writeHead(error.status ?? 500, { 'Content-Type': 'text/plain' }).end(error.message);
    });
  });
  server.on('upgrade', (request, socket, head) => { gone.requests += 1; upgrade(request, socket, head); });
  const listener = {
    name,
    away: false,
    cut() { for (const socket of sockets) socket.destroy(); },
    meter() {
      const sum = { ...gone, connections: sockets.size };
      for (const socket of sockets) add(sum, socket);
      return sum;
    },
    async close() {
      listener.cut();
      server.close();
      await once(server, 'close');
    },
  };
  server.on('connection', (socket) => {
    if (listener.away) return socket.destroy();
    sockets.add(socket);
    return socket.on('close', () => { sockets.delete(socket); add(gone, socket); });
  });
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  listener.url = `http://127.0.0.1:${server.address().port}/`;
  return listener;
}

// ---------------------------------------------------------------- the server

class Model {
  columns = new Map();         // transport to listener
  #rooms = new Map();
  #held = new Map();           // client to what ends its long poll
  #keep;

  constructor(keep) {
    this.#keep = keep;
  }

  #room(name) {
    return this.#rooms.get(name) ?? this.#rooms.set(name, new Room(this.#keep)).get(name);
  }

  answer = async (request, response, column) => {
    const { pathname, searchParams: query } = new URL(request.url, 'http://model');
    const [, name, path] = /^\/rooms\/([A-Za-z0-9._~-]{1,64})\/(messages|stream|events|here)$/.exec(pathname) ?? [];
    response.setHeader('Access-Control-Allow-Origin', '*');
    if (!path) {
      if (column || !this.#control(response, pathname)) await file(pathname, response);
      return undefined;
    }
    const room = this.#room(name);
    if (request.method === 'POST') return post(room, path, await body(request), response);
    if (!room.enter(query.get('after'))) throw new Refusal(400, 'no cursor');
    if (path === 'here') return json(response, room.here());
    if (path === 'messages') return poll(room, query, response, this.#held);
    return stream(room, path, query, response);
  };

  upgrade = (request, socket, head) => {
    const { pathname, searchParams: query } = new URL(request.url, 'http://model');
    const [, name] = /^\/rooms\/([A-Za-z0-9._~-]{1,64})\/socket$/.exec(pathname) ?? [];
    const room = name && this.#room(name);
    if (!room?.enter(query.get('after'))) return socket.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n');
    let end = () => {};
    const peer = accept(request, socket, head, {
      onText: (text, to) => speak(room, query.get('client'), text, to),
      onClose: () => end(),
    });
    end = attend(room, query, peer.send);
    return undefined;
  };

  // What the demo asks of its server. Returns whether it was that.
  #control(response, pathname) {
    const [, dropped] = /^\/columns\/([a-z-]+)\/drop$/.exec(pathname) ?? [];
    if (pathname === '/columns') {
      json(response, [...this.columns].map(([transport, { url }]) => ({ transport, origin: url.slice(0, -1) })));
    } else if (pathname === '/meters') {
      json(response, Object.fromEntries([...this.columns].map(([transport, listener]) => [transport, listener.meter()])));
    } else if (this.columns.has(dropped)) {
      this.columns.get(dropped).cut();
      response.writeHead(204).end();
    } else if (pathname === '/away') {
      this.#away();
      response.writeHead(204).end();
    } else return false;
    return true;
  }

  #away() {
    const all = [...this.columns.values()];
    for (const listener of all) {
      listener.away = true;
      listener.cut();
    }
    setTimeout(() => { for (const listener of all) listener.away = false; }, 5000);
  }
}

function post(room, path, { client, message, data, state }, response) {
  if (path === 'messages') return json(response, room.publish(client, message, data));
  room.change(client, state);
  return response.writeHead(204).end();
}

async function file(pathname, response) {
  const path = FILES.get(pathname);
  const content = path && await readFile(new URL(path, ROOT)).catch(() => null);
  if (!content) throw new Refusal(404, 'nothing here');
  response.writeHead(200, { 'Content-Type': TYPES[extname(path)], 'Content-Security-Policy': POLICY });
  response.end(content);
}

export async function startModel({ port = 0, keep = 1000, columns = false } = {}) {
  const model = new Model(keep);
  const own = await listen('', port, model);
  for (const name of columns ? COLUMNS : []) model.columns.set(name, await listen(name, 0, model));
  return {
    url: own.url,
    async stop() { for (const listener of [own, ...model.columns.values()]) await listener.close(); },
  };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { url } = await startModel({ port: Number(process.argv[2] ?? 0), columns: true });
  console.log(`model: open ${url}`);
}
