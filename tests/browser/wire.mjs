// Stands between a browser and a rooms server, and does what networks and proxies do to people:
//   blocked   endpoints that are answered with 502, and their upgrades too
//   refused   endpoints that are answered with this status
//   withheld  endpoints whose answers are kept back until they are whole, as a buffering proxy does
//   down      no connection comes about
//   swallow   what the browser sends is lost, and nobody is told
//   cut()     ends all connections
import { once } from 'node:events';
import { createServer, request as ask } from 'node:http';
import { connect, createServer as createListener } from 'node:net';

export async function startWire(target) {
  const sockets = new Set();
  const wire = {
    target, blocked: new Set(), refused: new Map(), withheld: new Set(), down: false, swallow: false, seen: [],
    cut() { for (const socket of sockets) socket.destroy(); },
  };
  const keep = (socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
    return socket;
  };
  const endpoint = (request) => request.url.split('?')[0].split('/').pop();
  const status = (request) => wire.refused.get(endpoint(request)) ?? (wire.blocked.has(endpoint(request)) ? 502 : 0);

  const server = createServer((request, response) => {
    wire.seen.push(`${request.method} ${endpoint(request)}`);
    if (wire.swallow) return undefined;
    if (status(request)) return response.writeHead(status(request), { 'Content-Type': 'text/plain' }).end('not here');
    const { hostname, port } = new URL(wire.target);
    const forward = ask({ hostname, port, path: request.url, method: request.method, headers: request.headers, agent: false }, (answer) => {
      const held = wire.withheld.has(endpoint(request)) ? [] : null;
      if (!held) {
        response.writeHead(answer.statusCode, answer.headers);
        response.flushHeaders();
      }
      answer.on('data', (chunk) => { if (held) held.push(chunk); else response.write(chunk); });
      answer.on('end', () => {
        if (held) response.writeHead(answer.statusCode, answer.headers);
        response.end(held ? Buffer.concat(held) : undefined);
      });
      answer.on('error', () => response.destroy());
    });
    forward.on('error', () => response.destroy());
    response.on('close', () => forward.destroy());
    return request.pipe(forward);
  });

  server.on('upgrade', (request, near, head) => {
    wire.seen.push(`GET ${endpoint(request)}`);
    if (wire.swallow) return undefined;
    if (status(request)) return near.end(`HTTP/1.1 ${status(request)} No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`);
    const { hostname, port } = new URL(wire.target);
    const far = keep(connect(Number(port), hostname));
    const heads = Object.entries(request.headers).map(([name, value]) => `${name}: ${value}\r\n`).join('');
    far.write(`${request.method} ${request.url} HTTP/1.1\r\n${heads}\r\n`);
    far.write(head);
    far.pipe(near);
    near.on('data', (chunk) => { if (!wire.swallow) far.write(chunk); });
    near.on('close', () => far.destroy());
    return far.on('close', () => near.destroy());
  });
  server.on('connection', (socket) => { if (wire.down) socket.destroy(); else keep(socket); });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  wire.url = `http://127.0.0.1:${server.address().port}/`;
  wire.close = () => { wire.cut(); server.close(); };
  return wire;
}

// A wire of bytes. While it is `sharp`, each connection is cut after some time, of so many milliseconds at most: in the
// middle of what it passes on just then, if anything comes soon. What it passed on is counted.
export async function startShears(target, longest) {
  const { hostname, port } = new URL(target);
  const sockets = new Set();
  const shears = { sharp: false, cuts: 0, sent: 0, heard: 0 };

  const pass = (from, to, chunk, connection) => {
    shears[to === connection.far ? 'sent' : 'heard'] += chunk.length;
    if (!connection.due) return to.write(chunk);
    const part = chunk.subarray(0, Math.floor(Math.random() * chunk.length));
    return part.length ? to.write(part, connection.end) : connection.end();
  };
  const listener = createListener((near) => {
    const far = connect(Number(port), hostname);
    const connection = { far, due: false, end: () => { near.destroy(); far.destroy(); } };
    const age = setInterval(() => {
      if (!shears.sharp || connection.due) return;
      shears.cuts += 1;
      connection.due = true;
      setTimeout(connection.end, 200);
    }, longest * (0.1 + 0.9 * Math.random()));
    for (const [from, to] of [[near, far], [far, near]]) {
      sockets.add(from);
      from.setNoDelay();
      from.on('data', (chunk) => pass(from, to, chunk, connection));
      from.on('error', () => {});
      from.on('end', () => to.end());
      from.on('close', () => { clearInterval(age); sockets.delete(from); to.destroySoon(); });
    }
  });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  shears.url = `http://127.0.0.1:${listener.address().port}/`;
  shears.close = () => { listener.close(); for (const socket of sockets) socket.destroy(); };
  return shears;
}
