// The little of RFC 6455 that the model server needs: texts, pings and closes.
import { createHash } from 'node:crypto';

const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

function frame(opcode, payload) {
  const short = payload.length < 126;
  const head = Buffer.alloc(short ? 2 : 4);
  head[0] = 0x80 | opcode;
  head[1] = short ? payload.length : 126;
  if (!short) head.writeUInt16BE(payload.length, 2);
  return Buffer.concat([head, payload]);
}

// Takes the first whole frame off `bytes`; null when there is none yet.
function unframe(bytes) {
  const short = bytes[1] & 0x7f;
  const start = { 126: 4, 127: 10 }[short] ?? 2;
  if (bytes.length < start + 4) return null;
  const length = start === 2 ? short : start === 4 ? bytes.readUInt16BE(2) : Number(bytes.readBigUInt64BE(2));
  const end = start + 4 + length;
  if (bytes.length < end) return null;
  const mask = bytes.subarray(start, start + 4);
  const payload = Buffer.from(bytes.subarray(start + 4, end)).map((byte, at) => byte ^ mask[at % 4]);
  return { opcode: bytes[0] & 0x0f, final: bytes[0] > 127, payload, rest: bytes.subarray(end) };
}

export function accept(request, socket, head, { onText, onClose }) {
  const key = createHash('sha1').update(request.headers['sec-websocket-key'] + GUID).digest('base64');
  socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n'
    + `Sec-WebSocket-Accept: ${key}\r\n\r\n`);
  const peer = {
    send: (object) => { if (socket.writable) socket.write(frame(1, Buffer.from(JSON.stringify(object)))); },
    close(code, reason = '') {
      const payload = Buffer.alloc(2 + Buffer.byteLength(reason));
      payload.writeUInt16BE(code);
      payload.write(reason, 2);
      socket.end(frame(8, payload));
    },
  };
  const parts = [];
  let bytes = head;
  const take = () => {
    for (let found; (found = unframe(bytes));) {
      bytes = found.rest;
      if (found.opcode < 2) parts.push(found.payload);
      if (found.opcode < 2 && found.final) onText(Buffer.concat(parts.splice(0)).toString(), peer);
      if (found.opcode === 8) socket.end(frame(8, found.payload));
      if (found.opcode === 9) socket.write(frame(10, found.payload));
    }
  };
  socket.setNoDelay(true);
  socket.on('data', (chunk) => { bytes = Buffer.concat([bytes, chunk]); take(); });
  socket.on('close', onClose);
  socket.on('error', () => {});
  queueMicrotask(take);
  return peer;
}
