// A TCP proxy that cuts connections, to see who comes back and resumes.
import { once } from 'node:events';
import net from 'node:net';

/**
 * Passes TCP on to `port`; each connection is cut behind as many bytes of the answer as `limits` says, which may change.
 * `run` gets the proxy's port, a function that tells how many connections there were, and one that cuts those there are.
 */
export async function cutting(port, limits, run) {
  const sockets = new Set();
  let count = 0;
  const server = net.createServer((down) => {
    let left = limits[count] ?? Infinity;
    count += 1;
    const up = net.connect(port, '127.0.0.1');
    for (const [socket, other] of [[down, up], [up, down]]) {
      sockets.add(socket);
      socket.on('error', () => {}).on('close', () => { other.destroy(); sockets.delete(socket); });
    }
    down.pipe(up);
    up.on('data', (data) => {
      const passed = data.subarray(0, left);
      left -= passed.length;
      down.write(passed, () => { if (left === 0) down.destroy(); });
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const cut = () => sockets.forEach((socket) => socket.destroy());
  try {
    await run(server.address().port, () => count, cut);
  } finally {
    server.close();
    cut();
  }
}
