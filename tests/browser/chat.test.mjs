// The chat example in a real browser. One line a check; the last line counts them; exit status 1 if one failed.
//   CHAT_BIN    the built example (needed)
//   CHROMIUM    the browser, /usr/bin/chromium by default
//   ARTIFACTS   where the screenshots go, a new temporary folder by default
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync } from 'node:fs';
import { createServer, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { chromium } from 'playwright-core';

const PATIENCE = 15_000;       // for whatever the page has to show
const RECONNECT = 40_000;      // the longest pause between two attempts, and some more
const ALL = 240_000;           // for everything

const binary = process.env.CHAT_BIN;
if (!binary) {
  console.error('CHAT_BIN must name the built chat example');
  process.exit(2);
}
const artifacts = process.env.ARTIFACTS ?? mkdtempSync(join(tmpdir(), 'chat-artifacts-'));
mkdirSync(artifacts, { recursive: true });

// ---------------------------------------------------------------- the server, and a wire that can be cut

const running = new Set();
process.on('exit', () => { for (const child of running) child.kill('SIGKILL'); });
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(1));

function within(promise, limit, what) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: nothing within ${limit} ms`)), limit);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

function run(...args) {
  const child = spawn(binary, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  running.add(child);
  child.once('exit', () => running.delete(child));
  return child;
}

async function startServer(address) {
  const child = run(address);
  child.stderr.pipe(process.stderr);
  const [line] = await within(once(createInterface(child.stdout), 'line'), PATIENCE, 'the address of the server');
  const found = /^chat: open (http:\/\/\S+\/)$/.exec(line);
  assert.ok(found, `the server said: ${line}`);
  return { child, url: found[1], address: new URL(found[1]).host };
}

async function stop(child) {
  const gone = once(child, 'exit');
  child.kill('SIGKILL');
  await within(gone, PATIENCE, 'the end of the server');
}

// How a run ends that should not become a server.
async function outcome(...args) {
  const child = run(...args);
  let said = '';
  child.stderr.on('data', (chunk) => { said += chunk; });
  const [status] = await within(once(child, 'close'), PATIENCE, 'the end of the run').finally(() => child.kill('SIGKILL'));
  return { status, said };
}

// Passes bytes on between a page and the server. `cut` ends all connections; `swallow` loses what the page sends;
// `down` lets no new connection come about.
async function startWire(target) {
  const { hostname, port } = new URL(target);
  const sockets = new Set();
  const wire = { swallow: false, down: false, cut() { for (const socket of sockets) socket.destroy(); } };
  const listener = createServer((near) => {
    if (wire.down) return near.destroy();
    const far = connect(Number(port), hostname);
    near.on('data', (chunk) => { if (!wire.swallow) far.write(chunk); });
    far.on('data', (chunk) => near.write(chunk));
    for (const [socket, other] of [[near, far], [far, near]]) {
      sockets.add(socket);
      socket.on('error', () => {});
      // The other side ends only after what it still has to pass on.
      socket.on('close', () => { sockets.delete(socket); other.destroySoon(); });
    }
  });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  wire.url = `http://127.0.0.1:${listener.address().port}/`;
  wire.close = () => { wire.cut(); listener.close(); };
  return wire;
}

// ---------------------------------------------------------------- what a person does and sees

let browser;
const complaints = [];         // errors of any page, but for refused connections, which belong to the test

async function open(url, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1200, height: 760 }, ...options });
  context.setDefaultTimeout(PATIENCE);
  const page = await context.newPage();
  page.on('pageerror', (error) => complaints.push(String(error)));
  page.on('console', (message) => {
    if (message.type() === 'error' && !/net::ERR_|WebSocket connection|404/.test(message.text())) complaints.push(message.text());
  });
  await page.goto(url);
  return page;
}

const live = (page, timeout = PATIENCE) => page.waitForSelector('body.live', { timeout });

async function enter(url, name, options) {
  const page = await open(url, options);
  await page.fill('#name', name);
  await page.press('#name', 'Enter');
  await live(page);
  return page;
}

// Whoever says something sees it only when the room tells it: that can be later than when others see it.
async function say(page, text) {
  await page.fill('#box', text);
  await page.press('#box', 'Enter');
}

const shoot = (page, name) => page.screenshot({ path: join(artifacts, name), animations: 'disabled' });
const texts = (page) => page.locator('#log .text').allTextContents();
const here = (page) => page.locator('#here .person').allTextContents();
const count = async (page, text) => (await texts(page)).filter((shown) => shown === text).length;

async function until(what, holds, limit = PATIENCE) {
  for (const end = Date.now() + limit; Date.now() < end;) {
    if (await holds()) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  assert.fail(`not within ${limit} ms: ${what}`);
}

const shows = (page, text, limit) => until(`"${text.slice(0, 40)}" is shown`, async () => (await count(page, text)) > 0, limit);
const allShow = (pages, text) => Promise.all(pages.map((page) => shows(page, text)));
const isHere = (page, names) => until(`here: ${names}`, async () => (await here(page)).join() === names.join());

// Speaks to the socket without the page's code. Returns the code of the close, or null when all came back.
let robots = 0;
const rawSocket = (page, messages) => page.evaluate(([messages, name]) => new Promise((resolve) => {
  const socket = new WebSocket(`ws://${location.host}/socket?name=${name}`);
  socket.binaryType = 'arraybuffer';
  let heard = 0;
  socket.onmessage = ({ data }) => {
    if (data.startsWith('welcome\n')) for (const message of messages) socket.send(message === null ? new Uint8Array(3) : message);
    if (data.startsWith('message\n') && data.split('\n')[3] === name && (heard += 1) === messages.length) {
      socket.close(1000);
      resolve(null);
    }
  };
  socket.onclose = ({ code }) => resolve(code);
}), [messages, `robot-${robots += 1}`]);

let passed = 0;
let failed = 0;

async function check(what, test) {
  try {
    await test();
    passed += 1;
    console.log(`ok      ${what}`);
  } catch (error) {
    failed += 1;
    console.log(`FAILED  ${what}\n        ${String(error.stack ?? error).split('\n').slice(0, 6).join('\n        ')}`);
  }
}

// ---------------------------------------------------------------- the checks

async function checkServer(server) {
  await check('wrong arguments and an address in use are told plainly', async () => {
    const wrong = await outcome('--nonsense');
    assert.equal(wrong.status, 2);
    assert.match(wrong.said, /usage/);
    assert.equal((await outcome('127.0.0.1:0', 'more')).status, 2);
    const taken = await outcome(server.address);
    assert.equal(taken.status, 1);
    assert.ok(taken.said.includes(server.address), taken.said);
  });

  await check('the page is served with a policy that knows its script and its style by their hashes', async () => {
    const response = await fetch(server.url);
    assert.equal(response.status, 200);
    assert.equal(response.headers.get('content-type'), 'text/html; charset=utf-8');
    const policy = response.headers.get('content-security-policy');
    const page = await response.text();
    for (const tag of ['script', 'style']) {
      const [, content] = new RegExp(`<${tag}[^>]*>(.*?)</${tag}>`, 's').exec(page);
      const hash = `'sha256-${createHash('sha256').update(content).digest('base64')}'`;
      assert.ok(policy.includes(`${tag}-src ${hash}`), `main.rs must say ${tag}-src ${hash}`);
    }
    assert.ok(!policy.includes('unsafe'));
  });

  await check('other paths are 404, other methods 405, a plain GET of the socket 426', async () => {
    const status = async (path, method = 'GET') => (await fetch(new URL(path, server.url), { method })).status;
    assert.equal(await status('/other'), 404);
    assert.equal(await status('/', 'DELETE'), 405);
    assert.equal(await status('/socket'), 426);
  });
}

async function checkTalk(server, wire) {
  let ann;
  let bob;
  await check('a name is asked for first, and Escape is no answer', async () => {
    ann = await open(server.url);
    await ann.waitForSelector('#hello[open]');
    await ann.keyboard.press('Escape');
    await ann.keyboard.press('Escape');
    await ann.waitForSelector('#hello[open]');
    await ann.keyboard.type('ann');
    await ann.keyboard.press('Enter');
    await live(ann);
    assert.equal(await ann.evaluate(() => document.activeElement.id), 'box');
  });

  await check('two pages talk to each other', async () => {
    bob = await enter(wire.url, 'bob', { colorScheme: 'dark' });
    await isHere(ann, ['ann', 'bob']);
    await isHere(bob, ['bob', 'ann']);
    await say(ann, 'Good morning! Is the new build out?');
    await allShow([ann, bob], 'Good morning! Is the new build out?');
    await say(bob, 'Since ten minutes. It runs on the old laptop in the cellar.');
    await say(bob, 'No framework, one port, one thread a person.');
    await allShow([ann, bob], 'No framework, one port, one thread a person.');
    for (const [page, own, others] of [[ann, 1, 2], [bob, 2, 1]]) {
      assert.equal(await page.locator('.group.own .text').count(), own);
      assert.equal(await page.locator('.group:not(.own) .text').count(), others);
      assert.equal(await page.locator('.group.own').count(), 1, 'consecutive messages are one group');
      assert.equal(await page.locator('.group:not(.own)').count(), 1, 'consecutive messages are one group');
    }
  });

  await check('HTML is shown as text', async () => {
    const attack = '<img src=x onerror="window.hurt=1"><script>window.hurt=1</script><b>bold</b>';
    await say(ann, attack);
    await allShow([ann, bob], attack);
    for (const page of [ann, bob]) {
      assert.equal(await page.locator('#log img, #log script, #log b').count(), 0);
      assert.equal(await page.evaluate(() => window.hurt), undefined);
    }
    const eve = await enter(server.url, '<i>eve</i>');
    await isHere(ann, ['ann', '<i>eve</i>', 'bob']);
    await eve.context().close();
    await isHere(ann, ['ann', 'bob']);
  });

  await check('Shift+Enter starts a line, links can be followed', async () => {
    await ann.fill('#box', '');
    await ann.focus('#box');
    await ann.keyboard.type('fn main() {');
    await ann.keyboard.press('Shift+Enter');
    await ann.keyboard.type('    println!("hi");');
    await ann.keyboard.press('Shift+Enter');
    await ann.keyboard.type('}');
    await ann.keyboard.press('Enter');
    await shows(bob, 'fn main() {\n    println!("hi");\n}');
    await say(bob, 'See https://www.rfc-editor.org/rfc/rfc6455, and javascript:alert(1).');
    await allShow([ann, bob], 'See https://www.rfc-editor.org/rfc/rfc6455, and javascript:alert(1).');
    const links = await ann.locator('#log .text a').evaluateAll((found) => found.map((link) => link.href));
    assert.deepEqual(links, ['https://www.rfc-editor.org/rfc/rfc6455']);
  });

  await check('a name that is taken gets a number, comings and goings are told', async () => {
    const other = await enter(server.url, 'ann');
    assert.equal(await other.locator('#me .person').textContent(), 'ann 2');
    assert.equal(await other.locator('.group.own').count() > 0, false, 'another\'s messages are not its own');
    await other.context().close();
    await ann.waitForFunction(() => document.querySelector('#log').lastElementChild.textContent.includes('ann 2 came and went'));
  });

  await check('a reload shows the history and who is here', async () => {
    const before = await texts(bob);
    await bob.reload();
    await live(bob);
    assert.deepEqual(await texts(bob), before);
    await isHere(bob, ['bob', 'ann']);
    assert.equal(await bob.locator('.group.own .text').count(), 3);
    await isHere(ann, ['ann', 'bob']);
  });

  await check('reading along over server-sent events shows the same', async () => {
    const reader = await open(`${server.url}?read`);
    await live(reader);
    assert.deepEqual(await texts(reader), await texts(ann));
    await isHere(reader, ['ann', 'bob']);
    assert.equal(await reader.locator('#composer').isVisible(), false);
    await say(ann, 'and who reads along?');
    await allShow([reader, ann, bob], 'and who reads along?');
    await reader.context().close();
  });

  await check('too much text is not sent and not lost', async () => {
    const long = 'x'.repeat(4001);
    await say(ann, long);
    assert.match(await ann.locator('#remark').textContent(), /1 character/);
    assert.equal(await ann.inputValue('#box'), long);
    await ann.fill('#box', '');
    await say(ann, '   ');
    await ann.fill('#box', '');
    assert.equal(await ann.locator('#outbox .waiting').count(), 0);
  });

  await check('the title counts what came while the page was hidden', async () => {
    const hide = (hidden) => ann.evaluate((hidden) => {
      Object.defineProperty(document, 'hidden', { configurable: true, get: () => hidden });
      document.dispatchEvent(new Event('visibilitychange'));
    }, hidden);
    await hide(true);
    await say(bob, 'are you still there?');
    await allShow([ann, bob], 'are you still there?');
    assert.equal(await ann.title(), '(1) talkback');
    await hide(false);
    assert.equal(await ann.title(), 'talkback');
  });

  return { ann, bob };
}

async function checkPhone(server, { ann, bob }) {
  await check('a phone of 360 pixels shows all without scrolling sideways', async () => {
    const phone = await enter(server.url, 'Mei-Lin', {
      viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true, deviceScaleFactor: 2,
    });
    const fits = () => phone.evaluate(() => [...document.querySelectorAll('html, body, main, #scroll')]
      .every((node) => node.scrollWidth <= node.clientWidth) && document.documentElement.clientWidth === 360);
    await say(phone, 'On the train: what I write stays in the box until the tunnel ends');
    await allShow([ann, phone], 'On the train: what I write stays in the box until the tunnel ends');
    assert.ok(await fits());
    await shoot(phone, 'phone.png');
    await phone.tap('#show-people');
    await phone.waitForFunction(() => document.querySelector('#people').getBoundingClientRect().right <= 360);
    await shoot(phone, 'phone-people.png');
    assert.deepEqual(await here(phone), ['Mei-Lin', 'ann', 'bob']);
    assert.equal(await phone.evaluate(() => document.activeElement.id), 'people');
    await phone.keyboard.press('Escape');
    await phone.waitForSelector('#people', { state: 'hidden' });
    const word = `https://example.org/${'endless'.repeat(40)}`;
    await say(ann, word);
    await allShow([ann, bob, phone], word);
    assert.ok(await fits());
    await phone.context().close();
  });
}

async function checkLook({ ann, bob }) {
  await check('each name can be read on its ground, light and dark', async () => {
    for (const colorScheme of ['light', 'dark']) {
      await ann.emulateMedia({ colorScheme });
      const worst = await ann.evaluate(() => {
        const pen = Object.assign(document.createElement('canvas'), { width: 1, height: 1 }).getContext('2d', { willReadFrequently: true });
        const luminance = (colour) => {
          pen.fillStyle = colour;
          pen.fillRect(0, 0, 1, 1);
          const [red, green, blue] = [...pen.getImageData(0, 0, 1, 1).data].map((value) => value / 255)
            .map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4));
          return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
        };
        const contrast = (one, other) => {
          const [dark, light] = [luminance(one), luminance(other)].sort((a, b) => a - b);
          return (light + 0.05) / (dark + 0.05);
        };
        const person = document.querySelector('#here .person');
        const face = document.querySelector('#here .face');
        const grounds = [document.body, document.querySelector('#people')].map((node) => getComputedStyle(node).backgroundColor);
        let worst = 99;
        for (let hue = 0; hue < 360; hue += 1) {
          person.style.setProperty('--hue', hue);
          face.style.setProperty('--hue', hue);
          const { color } = getComputedStyle(person);
          for (const ground of grounds) worst = Math.min(worst, contrast(color, ground));
          worst = Math.min(worst, contrast(getComputedStyle(face).color, getComputedStyle(face).backgroundColor));
        }
        return worst;
      });
      assert.ok(worst >= 4.5, `${colorScheme}: ${worst.toFixed(2)}`);
    }
    await ann.emulateMedia({ colorScheme: 'light' });
    await ann.reload();
    await live(ann);
    await shoot(ann, 'desktop-light.png');
    await shoot(bob, 'desktop-dark.png');
  });
}

async function checkLink(wire, { ann, bob }) {
  await check('a dropped connection comes back: what was said meanwhile comes once, nothing twice', async () => {
    const before = await texts(bob);
    wire.down = true;
    wire.cut();
    try {
      await bob.waitForSelector('#banner:not([hidden])');
      await isHere(ann, ['ann']);
      await say(ann, 'said while bob was away');
      await shows(ann, 'said while bob was away');
      assert.deepEqual(await texts(bob), before);
    } finally {
      wire.down = false;
    }
    await live(bob, RECONNECT);
    await shows(bob, 'said while bob was away');
    assert.deepEqual(await texts(bob), [...before, 'said while bob was away']);
    assert.equal(await bob.locator('.divider.notice').count(), 0, 'it is the same log');
    await isHere(bob, ['bob', 'ann']);
  });

  await check('what was sent into a dead connection is shown as not delivered, and sent again only when asked', async () => {
    wire.swallow = true;
    await say(bob, 'into the void');
    await bob.waitForSelector('.waiting:not([hidden])');
    wire.swallow = false;
    wire.cut();
    await bob.waitForSelector('.waiting.failed', { timeout: RECONNECT });
    await live(bob, RECONNECT);
    assert.equal(await count(ann, 'into the void'), 0);
    await bob.click('text=Send again');
    await allShow([ann, bob], 'into the void');
    assert.equal(await bob.locator('.waiting').count(), 0);
    for (const page of [ann, bob]) assert.equal(await count(page, 'into the void'), 1);
  });
}

async function checkRestart(server, { ann, bob }) {
  await check('the server is killed: a banner says so, and text stays in the box', async () => {
    await ann.fill('#box', 'typed while nobody listens');
    await stop(server.child);
    for (const page of [ann, bob]) {
      await page.waitForSelector('#banner:not([hidden])');
      await page.waitForFunction(() => /Next attempt in \d+ s|Trying again/.test(document.querySelector('#banner').textContent));
    }
    await ann.press('#box', 'Enter');
    assert.equal(await ann.inputValue('#box'), 'typed while nobody listens');
    assert.match(await ann.locator('#remark').textContent(), /Not connected/);
    await shoot(ann, 'offline.png');
  });

  let old;
  await check('it comes back on the same port: both reconnect, old messages stay above a divider', async () => {
    old = await texts(ann);
    Object.assign(server, await startServer(server.address));
    await ann.click('#retry:enabled', { timeout: 1000 }).catch(() => {});       // or the page was faster
    await live(ann, RECONNECT);
    await live(bob, RECONNECT);
    for (const page of [ann, bob]) {
      await page.waitForSelector('#banner', { state: 'hidden' });
      assert.equal(await page.locator('.divider.notice').count(), 1);
    }
    assert.deepEqual(await texts(ann), old);
  });

  await check('they talk again, and nothing is doubled', async () => {
    await ann.press('#box', 'Enter');
    await allShow([ann, bob], 'typed while nobody listens');
    await say(bob, 'welcome back');
    await allShow([ann, bob], 'welcome back');
    assert.deepEqual(await texts(ann), [...old, 'typed while nobody listens', 'welcome back']);
    assert.equal(await count(bob, 'typed while nobody listens'), 1);
    assert.equal(await count(bob, 'welcome back'), 1);
  });
}

async function checkMany(server, { ann, bob }) {
  await check('new messages below are announced, and the page does not jump', async () => {
    await rawSocket(bob, Array.from({ length: 60 }, (_, number) => `line ${number}`));
    await shows(ann, 'line 59');
    await until('the end is in view', () => ann.evaluate(() => {
      const { scrollHeight, scrollTop, clientHeight } = document.querySelector('#scroll');
      return scrollHeight - scrollTop - clientHeight < 2;
    }));
    await ann.evaluate(() => { document.querySelector('#scroll').scrollTop = 100; });
    await say(bob, 'down here');
    await ann.waitForSelector('#fresh:not([hidden])');
    assert.equal(await ann.textContent('#fresh'), '↓ 1 new message');
    assert.equal(await ann.evaluate(() => document.querySelector('#scroll').scrollTop), 100);
    await shoot(ann, 'new-messages.png');
    await ann.click('#fresh');
    await ann.waitForSelector('#fresh', { state: 'hidden' });
  });

  await check('whoever joins is shown the last 100 messages', async () => {
    await rawSocket(bob, Array.from({ length: 120 }, (_, number) => `more ${number}`));
    const late = await enter(server.url, 'late');
    const shown = await texts(late);
    assert.deepEqual(shown, Array.from({ length: 100 }, (_, number) => `more ${number + 20}`));
    await late.context().close();
  });

  await check('binary and overlong messages are refused with 1003 and 1009', async () => {
    assert.equal(await rawSocket(ann, [null]), 1003);
    assert.equal(await rawSocket(ann, ['é'.repeat(4001)]), 1009);
    assert.equal(await rawSocket(ann, ['é'.repeat(4000)]), null);
  });
}

async function checkFull(server) {
  await check('a full room answers 503, and lets people in again when others leave', async () => {
    const { hostname, port } = new URL(server.url);
    const status = async () => (await fetch(server.url)).status;
    const crowd = [];
    try {
      // A few at a time: what overflows the queue of the listener would not count.
      while (crowd.length < 900) {
        const some = Array.from({ length: 30 }, () => connect(Number(port), hostname).on('error', () => {}));
        crowd.push(...some);
        await within(Promise.all(some.map((socket) => once(socket, 'connect'))), PATIENCE, 'the connections');
      }
      await until('503 is answered', async () => (await status()) === 503, 5000);
    } finally {
      for (const socket of crowd) socket.destroy();
    }
    await until('the page is served again', async () => (await status()) === 200);
  });
}

// Passes bytes on between a page and the server, and counts them.
async function startScales(target) {
  const { hostname, port } = new URL(target);
  const scales = { sent: 0, heard: 0, sockets: [] };
  const listener = createServer((near) => {
    const far = connect(Number(port), hostname);
    scales.sockets.push(near, far);
    near.on('data', (chunk) => { scales.sent += chunk.length; far.write(chunk); });
    far.on('data', (chunk) => { scales.heard += chunk.length; near.write(chunk); });
    for (const [socket, other] of [[near, far], [far, near]]) {
      socket.on('error', () => {});
      socket.on('close', () => other.destroy());
    }
  });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  scales.url = `http://127.0.0.1:${listener.address().port}/`;
  scales.close = () => { for (const socket of scales.sockets) socket.destroy(); listener.close(); };
  return scales;
}

async function checkCompression(server) {
  await check('permessage-deflate is agreed on, and a long message is short on the wire, both ways', async () => {
    const scales = await startScales(server.url);
    const page = await open(scales.url);
    try {
      const session = await page.context().newCDPSession(page);
      await session.send('Network.enable');
      const answered = once(session, 'Network.webSocketHandshakeResponseReceived');
      await page.fill('#name', 'dense');
      await page.press('#name', 'Enter');
      const [{ response }] = await within(answered, PATIENCE, 'the handshake');
      const [, extensions] = Object.entries(response.headers).find(([name]) => name.toLowerCase() === 'sec-websocket-extensions') ?? [];
      assert.match(extensions ?? 'no extension', /^permessage-deflate(;|$)/);
      await live(page);
      const long = 'And what was said yesterday is said again today. '.repeat(80);
      const before = { ...scales };
      await say(page, long);
      await until('the whole message is shown', async () => (await texts(page)).some((text) => text.trim() === long.trim()));
      for (const way of ['sent', 'heard']) {
        const len = scales[way] - before[way];
        assert.ok(len > 50 && len < long.length / 4, `${way}: ${len} bytes for ${long.length}`);
      }
    } finally {
      await page.context().close();
      scales.close();
    }
  });
}

async function checkAll() {
  const server = await startServer('127.0.0.1:0');
  const wire = await startWire(server.url);
  // Without a folder of its own named here, a fresh one is made for this run and removed after it.
  browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    headless: true,
    args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
      '--disable-background-networking', '--disable-component-update', '--disable-sync'],
  });
  try {
    await checkServer(server);
    const pages = await checkTalk(server, wire);
    await checkLook(pages);
    await checkPhone(server, pages);
    await checkLink(wire, pages);
    await checkRestart(server, pages);
    await checkMany(server, pages);
    await checkFull(server);
    await checkCompression(server);
    await check('no page complained', () => assert.deepEqual(complaints, []));
  } finally {
    wire.close();
    await within(browser.close(), PATIENCE, 'the end of the browser').catch((error) => console.log(String(error)));
  }
}

await within(checkAll(), ALL, 'the whole run').catch((error) => {
  failed += 1;
  console.log(`FAILED  ${error.stack ?? error}`);
});
console.log(`screenshots: ${artifacts}`);
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed ? 1 : 0);
