// The comparison of transports in a real browser, against the real columns. One line a check; the last line counts them;
// exit status 1 if one failed.
//   CHAT_BIN    the built example `chat` (needed). CHROMIUM as in lab.mjs, ARTIFACTS as in pages.mjs
import assert from 'node:assert/strict';
import { check, finish, launch, rest, startServer, until } from './lab.mjs';
import { PHONE, RECONNECT, artifacts, complaints, fits, nameless, open, shoot } from './pages.mjs';

const ALL = 240_000;           // for everything
const WAYS = ['polling', 'long-polling', 'streaming', 'events', 'websocket', 'automatic'];
const ENDPOINTS = { polling: 'messages', 'long-polling': 'messages', streaming: 'stream', events: 'events', websocket: 'socket', automatic: 'socket' };

if (!process.env.CHAT_BIN) {
  console.error('CHAT_BIN must name the built example chat');
  process.exit(2);
}

// ---------------------------------------------------------------- what the page shows

const figures = () => page.evaluate(() => Object.fromEntries([...document.querySelectorAll('article')].map((article) => {
  const shown = Object.fromEntries([...article.querySelectorAll('dt')].map((name) => [name.textContent, name.nextElementSibling.textContent]));
  const state = article.querySelector('.state').textContent;
  const number = (name) => Number(shown[name].replaceAll(',', ''));
  return [article.dataset.way, {
    latest: parseInt(shown.Latest, 10) || 0, requests: number('Requests'), up: shown['Bytes up'], down: shown['Bytes down'],
    reconnects: number('Reconnects'), missed: number('Missed'), doubled: number('Doubled'),
    half: article.querySelector('.p50 b').textContent, overhead: article.querySelector('.overhead b').textContent,
    state, live: state === 'connected' || state.startsWith('now '),
  }];
})));
async function all(holds) {
  const columns = Object.entries(await figures());
  return columns.length === WAYS.length && columns.every(([way, column]) => holds(column, way));
}
const button = (way, text) => page.locator(`[data-way="${way}"] button`, { hasText: text });

// Each column has what came after now, and in no column anything was missed or came twice.
async function goOn() {
  const newest = Math.max(...Object.values(await figures()).map(({ latest }) => latest));
  await until('all go on', () => all(({ live, latest }) => live && latest > newest), RECONNECT);
  for (const [way, { missed, doubled }] of Object.entries(await figures())) assert.deepEqual({ way, missed, doubled }, { way, missed: 0, doubled: 0 });
}

// ---------------------------------------------------------------- the checks

async function checkColumns() {
  await check('six columns connect, each over its transport, and measure the same messages', async () => {
    const columns = await (await fetch(`${server.url}columns`)).json();
    assert.deepEqual(columns.map(({ transport }) => transport), WAYS);
    await until('all are connected and measure', () => all(({ live, half, latest }) => live && half !== '–' && latest > 5), RECONNECT);
    assert.deepEqual(Object.keys(await figures()), WAYS);
    assert.equal((await figures()).automatic.state, 'now WebSocket');
    for (const { transport, origin } of columns) {
      const asked = requests.filter((url) => url.replace('ws:', 'http:').startsWith(`${origin}/`));
      const endpoints = [...new Set(asked.map((url) => new URL(url).pathname.split('/').pop()))];
      assert.deepEqual(endpoints.filter((endpoint) => endpoint !== 'talkback.js'), [ENDPOINTS[transport]], transport);
    }
    await goOn();
  });

  await check('meters grow: polling asks again and again, streams and sockets do not', async () => {
    await page.locator('#interval label', { hasText: '0.5 s' }).click();
    const before = await figures();
    await rest(3500); // one interval of before, and some of now
    const after = await figures();
    for (const way of WAYS) {
      const more = after[way].requests - before[way].requests;
      if (way.endsWith('polling')) assert.ok(more >= 1, `${way}: ${more} more requests`);
      else assert.equal(more, 0, way);
      assert.ok(after[way].latest > before[way].latest, way);
      assert.notEqual(after[way].down, before[way].down, way);
      assert.match(after[way].half, /^[\d.]+ m?s$/);
      assert.match(after[way].overhead, /^[\d.]+ k?B$/);
    }
    const bytes = (text) => parseFloat(text) * (text.endsWith('kB') ? 1000 : 1);
    const overhead = (way) => bytes(after[way].overhead);
    assert.ok(overhead('websocket') > 20, 'an object with its frame is more than its data');
    assert.ok(overhead('websocket') < overhead('events') && overhead('events') < overhead('long-polling'), 'a frame costs less than an event, that less than a request');
  });
}

async function checkTroubles() {
  await check('a dropped connection in each column is counted, and nothing is missed or doubled', async () => {
    const before = await figures();
    for (const way of WAYS) await button(way, 'Drop its connection').click();
    // Where a request is asked for each time, there may have been none just then.
    await until('all others have come back', () => all(({ reconnects, live }, way) => live && (way.endsWith('polling') || reconnects > before[way].reconnects)), RECONNECT);
    await goOn();
  });

  await check('a column that does not read for 5 s catches up, and nothing is missed or doubled', async () => {
    await page.locator('#rate label', { hasText: /^25$/ }).click();
    await page.locator('#size label', { hasText: /^1 kB$/ }).click();
    for (const way of WAYS) await button(way, 'Stop reading').click();
    const published = () => figures().then((columns) => Math.max(...Object.values(columns).map(({ latest }) => latest)));
    const begin = await published();
    await until('they read again', () => all(({ latest }) => latest > begin + 100), RECONNECT);
    await goOn();
    await page.locator('#rate label', { hasText: /^5$/ }).click();
  });

  await check('a server that is away for 5 s comes back to all columns, and nothing is missed or doubled', async () => {
    const before = await figures();
    await page.click('#away');
    await until('most notice', async () => Object.values(await figures()).filter(({ live }) => !live).length >= 4);
    await shoot(page, 'compare-away.png', { fullPage: true });
    await until('all are back', () => all(({ live }) => live), RECONNECT);
    await goOn();
    for (const way of ['streaming', 'events', 'websocket', 'automatic']) assert.ok((await figures())[way].reconnects > before[way].reconnects, way);
  });

  await check('pause holds what is sent, and counting anew begins at nothing', async () => {
    await page.click('#pause');
    await rest(2500);
    const { websocket } = await figures();
    await rest(800);
    assert.equal((await figures()).websocket.latest, websocket.latest);
    await page.click('#reset');
    await until('nothing is counted', () => all(({ reconnects }) => reconnects === 0));
    await page.click('#pause');
    await goOn();
  });
}

async function checkLook() {
  await check('nothing overlaps, nothing is cut off, all has a name: on a desktop, light and dark', async () => {
    await rest(1500); // for something to be drawn
    await page.evaluate(() => scrollTo(0, 0));
    for (const colorScheme of ['light', 'dark']) {
      await page.emulateMedia({ colorScheme });
      assert.deepEqual(await page.evaluate(spilling), []);
      assert.ok(await fits(page));
      await shoot(page, `compare-${colorScheme}.png`, { fullPage: true });
    }
    await page.setViewportSize({ width: 1720, height: 1000 });
    await page.evaluate(() => scrollTo(0, 0));
    assert.deepEqual(await page.evaluate(spilling), []);
    await shoot(page, 'compare-wide.png', { fullPage: true });
    assert.deepEqual(await nameless(page), []);
  });

  await check('on a phone one column stands below the other, and nothing is cut off', async () => {
    await page.context().close();
    page = await open(browser, `${server.url}compare`, PHONE);
    await until('all measure', () => all(({ live, latest }) => live && latest > 15), RECONNECT);
    const lefts = await page.evaluate(() => [...document.querySelectorAll('article')].map((article) => article.getBoundingClientRect().left));
    assert.equal(new Set(lefts).size, 1);
    const heights = await page.evaluate(() => [...document.querySelectorAll('dt, dd')].map((cell) => cell.getBoundingClientRect().height));
    assert.ok(Math.max(...heights) < 30, 'each figure is in one line');
    for (const colorScheme of ['light', 'dark']) {
      await page.emulateMedia({ colorScheme });
      assert.deepEqual(await page.evaluate(spilling), []);
      assert.ok(await fits(page));
      await shoot(page, `compare-phone-${colorScheme}.png`, { fullPage: true });
    }
  });
}

// Runs in the page: text that is wider than where it stands.
function spilling() {
  return [...document.querySelectorAll('article *, #summary *, #controls *, #legend *')]
    .filter((node) => node instanceof HTMLElement && node.childElementCount === 0 && node.textContent.trim())
    .filter((node) => {
      const around = node.closest('article, figure, #controls, #legend').getBoundingClientRect();
      const { left, right } = node.getBoundingClientRect();
      return node.scrollWidth > node.clientWidth + 1 && node.clientWidth > 0 || left < around.left - 1 || right > around.right + 1;
    })
    .map((node) => node.textContent);
}

// ---------------------------------------------------------------- all of it

const server = await startServer(process.env.CHAT_BIN);
const browser = await launch();
const requests = [];
let page = await open(browser, 'about:blank');
page.context().on('request', (request) => requests.push(request.url()));
page.on('websocket', (socket) => requests.push(socket.url()));

await finish(async () => {
  await page.goto(`${server.url}compare`);
  await checkColumns();
  await checkTroubles();
  await checkLook();
  await check('no page complained', () => assert.deepEqual(complaints, []));
  console.log(`pictures: ${artifacts}`);
}, ALL, browser);
