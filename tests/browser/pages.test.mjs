// The chat's page and the comparison of transports, in a real browser. One line a check; the last line counts them; exit
// status 1 if one failed.
//   CHAT_BIN    the built example `chat`; the model of the server by default. CHROMIUM as in lab.mjs
//   ARTIFACTS   where the screenshots go, a new temporary folder by default
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { check as checked, finish, launch, rest, startServer, until } from './lab.mjs';
import { startWire } from './wire.mjs';

const ALL = 240_000;           // for everything
const RECONNECT = 40_000;      // the longest pause between two attempts, and some more
const DESKTOP = { viewport: { width: 1280, height: 800 } };
const PHONE = { viewport: { width: 390, height: 760 }, isMobile: true, hasTouch: true };

const artifacts = process.env.ARTIFACTS ?? mkdtempSync(join(tmpdir(), 'pages-artifacts-'));
mkdirSync(artifacts, { recursive: true });

const complaints = [];         // errors of any page, but for refused connections, which belong to the test

async function open(url, options = DESKTOP) {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  page.on('pageerror', (error) => complaints.push(String(error)));
  page.on('console', (message) => {
    if (message.type() === 'error' && !/net::ERR_|WebSocket connection|status of (403|404|502)/.test(message.text())) complaints.push(message.text());
  });
  await page.goto(url);
  return page;
}

async function enter(name, { path = '', ...options } = {}) {
  const page = await open(wire.url + path, { ...DESKTOP, ...options });
  await page.fill('#name', name);
  await page.press('#name', 'Enter');
  await page.waitForSelector('body.live');
  return page;
}

async function say(page, text) {
  await page.fill('#box', text);
  await page.press('#box', 'Enter');
}

const shoot = (page, name, options) => page.screenshot({ path: join(artifacts, name), animations: 'disabled', ...options });
const texts = (page) => page.locator('#log .text').allTextContents();
const shows = (page, ...wanted) => until(`shown: ${wanted}`, async () => (await texts(page)).join() === wanted.join());
const banner = (page, wanted) => until(`the banner says ${wanted}`, async () => wanted.test(await page.locator('#banner').textContent()), RECONNECT);
const isHere = (page, ...names) => until(`here: ${names}`, async () => (await page.locator('#here .person').allTextContents()).join() === names.join());

const check = (what, test) => checked(what, test, () => {
  wire.down = false;
  for (const set of [wire.blocked, wire.refused]) set.clear();
});

// ---------------------------------------------------------------- the chat

async function checkChat() {
  let ann;
  let bob;

  await check('a name is asked for first, and Escape is no answer', async () => {
    ann = await open(wire.url);
    await ann.waitForSelector('#hello[open]');
    await ann.keyboard.press('Escape');
    await ann.keyboard.press('Escape');
    await ann.waitForSelector('#hello[open]');
    await ann.keyboard.type('ann');
    await ann.keyboard.press('Enter');
    await ann.waitForSelector('body.live');
    assert.equal(await ann.evaluate(() => document.activeElement.id), 'box');
  });

  await check('two pages talk, with ticks, and see who is here and who types', async () => {
    bob = await enter('bob', { colorScheme: 'dark' });
    await isHere(ann, 'ann', 'bob');
    await isHere(bob, 'bob', 'ann');
    await say(ann, 'one');
    await shows(bob, 'one');
    await until('two ticks', async () => await ann.locator('#log .stored').count() === 1);
    await bob.locator('#box').pressSequentially('hm');
    await until('typing', async () => (await ann.locator('#typing').textContent()).startsWith('bob is typing'));
    await bob.fill('#box', '');
    await until('no longer', async () => await ann.locator('#typing').textContent() === '');
  });

  await check('what is written without a connection is kept, shown with one tick, and sent in order', async () => {
    wire.down = true;
    wire.cut();
    await until('not connected', async () => !await ann.locator('body.live').count());
    await say(ann, 'two');
    await say(ann, 'three');
    await banner(ann, /Your 2 messages are kept/);
    assert.equal(await ann.locator('#outbox .text').count(), 2);
    assert.equal(await ann.locator('#outbox .stored').count(), 0);
    await shoot(ann, 'chat-offline.png');
    wire.down = false;
    await until('connected', async () => await ann.locator('body.live').count() === 1, RECONNECT);
    await shows(ann, 'one', 'two', 'three');
    await shows(bob, 'one', 'two', 'three');
    await until('all ticks', async () => await ann.locator('#log .stored').count() === 3);
    assert.ok(await ann.locator('#banner').isHidden());
  });

  await check('rooms are apart, and a reload keeps who I am', async () => {
    await ann.fill('#other-room', 'attic');
    await ann.press('#other-room', 'Enter');
    await until('the attic', async () => await ann.locator('#title').textContent() === '# attic');
    await isHere(ann, 'ann');
    await say(ann, 'up here');
    await shows(ann, 'up here');
    await bob.goto(`${wire.url}#attic`);
    await shows(bob, 'up here');
    await ann.reload();
    await shows(ann, 'up here');
    await isHere(ann, 'ann', 'bob');
    assert.equal(await ann.locator('#log .own .text').count(), 1);
  });

  await check('a changed name is seen by others', async () => {
    await bob.click('#me button');
    await bob.fill('#name', 'robert');
    await bob.press('#name', 'Enter');
    await isHere(ann, 'ann', 'robert');
  });

  await check('where the WebSocket is blocked the page falls back, and says by what it is connected', async () => {
    wire.blocked.add('socket');
    wire.cut();
    await until('events', async () => /server-sent events/.test(await ann.locator('#state').textContent()), RECONNECT);
    await say(ann, 'by another way');
    await shows(bob, 'up here', 'by another way');
    await until('ticks', async () => await ann.locator('#log .stored').count() === 2);
  });

  await check('what others send is text, whatever it is', async () => {
    const publish = (data, at) => fetch(`${server.url}rooms/attic/messages`, { method: 'POST', body: JSON.stringify({ client: 'x', message: String(at), data }) });
    const all = [null, 5, { text: 5, name: {} }, { text: '<img src=x>', name: '<b>x', colour: 'red;}' }];
    for (const [at, data] of all.entries()) await publish(data, at);
    await shows(ann, 'up here', 'by another way', '<img src=x>');
    assert.equal(await ann.locator('#log img, #log b').count(), 0);
  });

  await check('a room that is forbidden is told as that', async () => {
    for (const endpoint of ['socket', 'events', 'stream', 'messages']) wire.refused.set(endpoint, 403);
    const cid = await enterForbidden();
    await banner(cid, /cannot be entered/);
    await rest(1500);
    await banner(cid, /cannot be entered/);
    await cid.context().close();
  });

  await check('a phone shows the conversation alone, and the rest in a drawer', async () => {
    const phone = await enter('cid', { path: '#attic', ...PHONE });
    await shows(phone, 'up here', 'by another way', '<img src=x>');
    const [width, inner] = await phone.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
    assert.equal(width, inner);
    assert.ok(!await phone.locator('#side').isVisible());
    await shoot(phone, 'chat-phone.png');
    await phone.click('#show-side');
    assert.ok(await phone.locator('#rooms a').first().isVisible());
    await phone.keyboard.press('Escape');
    await until('closed', async () => !await phone.locator('#side').isVisible());
  });
  await shoot(ann, 'chat.png');
  await shoot(bob, 'chat-dark.png');
}

async function enterForbidden() {
  const page = await open(`${wire.url}#cellar`);
  await page.fill('#name', 'cid');
  await page.press('#name', 'Enter');
  return page;
}

// ---------------------------------------------------------------- the comparison

const figures = (page) => page.evaluate(() => Object.fromEntries([...document.querySelectorAll('article')].map((article) => {
  const rows = [...article.querySelectorAll('dt')].map((name) => [name.textContent, name.nextElementSibling.textContent]);
  const half = article.querySelector('.p50 b').textContent;
  return [article.dataset.way, { ...Object.fromEntries(rows), half, state: article.querySelector('.state').textContent }];
})));
const all = async (page, holds) => Object.entries(await figures(page)).every(([name, column]) => holds(column, name));
const live = ({ state }) => state === 'connected' || state.startsWith('now ');

async function checkComparison() {
  let page;

  await check('six columns measure the same messages', async () => {
    page = await open(`${server.url}compare`);
    await until('all are connected and measure', () => all(page, (column) => live(column) && column.half !== '–' && parseInt(column.Latest, 10) > 20));
    assert.deepEqual(Object.keys(await figures(page)), ['polling', 'long-polling', 'streaming', 'events', 'websocket', 'automatic']);
    const { polling, websocket } = await figures(page);
    assert.ok(Number(polling.Requests) > Number(websocket.Requests), 'polling asks again and again');
    await shoot(page, 'compare.png', { fullPage: true });
  });

  await check('a dropped connection is counted, and nothing is missed or doubled', async () => {
    const count = () => figures(page).then(({ websocket }) => Number(websocket.Reconnects));
    const before = await count();
    await page.click('[data-way="websocket"] button:has-text("Drop")');
    await until('a reconnect', async () => await count() > before, RECONNECT);
    assert.ok(await all(page, ({ Missed, Doubled }) => Missed === '0' && Doubled === '0'));
  });

  await check('a column that does not read for 5 s catches up', async () => {
    const latest = async (name) => parseInt((await figures(page))[name].Latest, 10);
    await page.click('[data-way="events"] button:has-text("Stop reading")');
    await rest(2500);
    assert.ok(await latest('events') < await latest('streaming') - 5, 'it lags');
    await until('it has caught up', async () => await latest('events') >= await latest('streaming') - 2);
    assert.ok(await all(page, ({ Missed, Doubled }) => Missed === '0' && Doubled === '0'));
  });

  await check('a server that is away comes back to all columns, and nothing is missed or doubled', async () => {
    await page.click('#away');
    await until('most notice', async () => Object.values(await figures(page)).filter((column) => !live(column)).length >= 4);
    await until('all are back', () => all(page, live), RECONNECT);
    const { automatic } = await figures(page);
    await until('all go on', () => all(page, ({ Latest }) => parseInt(Latest, 10) > parseInt(automatic.Latest, 10)), RECONNECT);
    assert.ok(await all(page, ({ Missed, Doubled }) => Missed === '0' && Doubled === '0'));
  });

  await check('on a phone one column stands below the other', async () => {
    const phone = await open(`${server.url}compare`, { ...PHONE, colorScheme: 'dark' });
    await phone.waitForSelector('article');
    const lefts = await phone.evaluate(() => [...document.querySelectorAll('article')].map((article) => article.getBoundingClientRect().left));
    assert.equal(new Set(lefts).size, 1);
    assert.deepEqual(await phone.evaluate(() => [document.documentElement.scrollWidth <= innerWidth]), [true]);
    await rest(4000);
    await shoot(phone, 'compare-phone.png', { fullPage: true });
  });
}

// ---------------------------------------------------------------- all of it

const server = await startServer(process.env.CHAT_BIN);
const wire = await startWire(server.url);
const browser = await launch();

await finish(async () => {
  await checkChat();
  await checkComparison();
  await check('no page complained', () => assert.deepEqual(complaints, []));
  console.log(`screenshots: ${artifacts}`);
}, ALL, browser);
