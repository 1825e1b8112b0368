// One column of the comparison, in a worker of its own: what the page draws does not disturb what is measured, and
// this reader can be stopped. Arrivals are handed to the page in batches.
import { TalkbackRoom } from '/rooms/talkback.js';

const BATCH = 100;             // ms

let room = null;
let arrivals = [];             // [number, sent, arrived] of what this page published
let count = 0;                 // of all publications, whoever sent them
let payload = 0;               // and the bytes of their data

const now = () => performance.timeOrigin + performance.now();

function open({ url, sender, options }) {
  room = new TalkbackRoom(url, options);
  room.addEventListener('message', ({ detail: { data } }) => {
    count += 1;
    payload += JSON.stringify(data).length;
    if (data?.sender === sender) arrivals.push([data.n, data.at, now()]);
  });
  room.addEventListener('gap', () => postMessage({ gap: true }));
  room.addEventListener('transport', ({ detail }) => postMessage({ transport: detail }));
}

// Nothing is read meanwhile: what comes waits in the browser, in the network and in the server.
function stall(ms) {
  try {
    const shared = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true }).buffer;
    Atomics.wait(new Int32Array(shared), 0, 0, ms);
  } catch {
    for (const end = now() + ms; now() < end;);
  }
}

setInterval(() => {
  if (count === 0) return;
  postMessage({ arrivals, count, payload });
  arrivals = [];
  count = payload = 0;
}, BATCH);

addEventListener('message', ({ data }) => {
  if (data.open) open(data.open);
  if (data.pollInterval) room.pollInterval = data.pollInterval;
  if (data.stall) stall(data.stall);
});
