// Bytes a reply of npm's `ws`, its defaults but for the threshold: level 6, context takeover.
// PEERS: a folder whose node_modules has `ws`; the messages come on the standard input.
import { once } from 'node:events';
import { createRequire } from 'node:module';
import path from 'node:path';
import { text } from 'node:stream/consumers';

const { WebSocket, WebSocketServer } = createRequire(path.join(process.env.PEERS, 'package.json'))('ws');
const messages = (await text(process.stdin)).trimEnd().split('\n');
const perMessageDeflate = { threshold: 0 };
const server = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate });
await once(server, 'listening');
server.on('connection', (peer) => peer.on('message', (data) => peer.send(data.toString())));
const client = new WebSocket(`ws://127.0.0.1:${server.address().port}`, { perMessageDeflate });
await once(client, 'open');

async function cycle() {
  const before = client._socket.bytesRead;
  for (const message of messages) {
    client.send(message);
    const [data] = await once(client, 'message');
    if (data.toString() !== message) throw new Error('came back wrong');
  }
  return (client._socket.bytesRead - before) / messages.length;
}

await cycle();
console.log(`ws: ${(await cycle()).toFixed(1)} bytes a reply`);
client.terminate();
server.close();
