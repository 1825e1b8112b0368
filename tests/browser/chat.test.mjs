// The chat's page in a real browser: people in one room over different transports, what they may say, how it looks and
// for whom it works. What networks and servers do to it is in links.test.mjs. One line a check; the last line counts
// them; exit status 1 if one failed.
//   CHAT_BIN    the built example `chat` (needed). CHROMIUM as in lab.mjs, ARTIFACTS as in pages.mjs
import assert from 'node:assert/strict';
import { check, finish, launch, rest, startServer, until } from './lab.mjs';
import { PHONE, RECONNECT, artifacts, complaints, fits, nameless, open, shoot } from './pages.mjs';
import { allShow, count, enter, isHere, last, live, say, says, shows, textOf, texts, ticked, uses } from './person.mjs';
import { startWire } from './wire.mjs';

const ALL = 240_000;           // for everything

if (!process.env.CHAT_BIN) {
  console.error('CHAT_BIN must name the built example chat');
  process.exit(2);
}

const post = (room, client, message, data) => fetch(`${server.url}rooms/${room}/messages`, {
  method: 'POST', body: JSON.stringify({ client, message: String(message), data }),
});


// ---------------------------------------------------------------- people

async function checkTalk() {
  let ann;
  let bob;
  let cid;

  await check('a name is asked for first, and Escape is no answer', async () => {
    ann = await open(browser, wires.ann.url);
    await ann.waitForSelector('#hello[open]');
    await ann.keyboard.press('Escape');
    await ann.keyboard.press('Escape');
    await ann.waitForSelector('#hello[open]');
    await shoot(ann, 'chat-hello.png');
    await ann.keyboard.type('ann');
    await ann.keyboard.press('Enter');
    await live(ann);
    assert.equal(await ann.evaluate(() => document.activeElement.id), 'box');
    await ann.waitForSelector('#empty:visible');
  });

  await check('three people over three transports see each other\'s words, in one order, once, with ticks', async () => {
    for (const endpoint of ['socket', 'events', 'stream']) wires.bob.blocked.add(endpoint);
    wires.cid.blocked.add('socket');
    bob = await enter(browser, wires.bob.url, 'bob', { colorScheme: 'dark' });
    cid = await enter(browser, wires.cid.url, 'cid');
    const people = [ann, bob, cid];
    await Promise.all([uses(ann, 'WebSocket'), uses(bob, 'long polling'), uses(cid, 'server-sent events')]);
    for (let round = 1; round <= 5; round += 1) {
      await Promise.all(people.map((page, at) => say(page, `${'abc'[at]}${round}`)));
    }
    for (const page of people) await until('15 messages', async () => (await texts(page)).length === 15, RECONNECT);
    const seen = await texts(ann);
    for (const page of people) {
      await ticked(page);
      assert.deepEqual(await texts(page), seen);
      assert.equal(await page.locator('#log .own .text').count(), 5);
    }
    for (const who of 'abc') assert.deepEqual(seen.filter((text) => text[0] === who), [1, 2, 3, 4, 5].map((round) => who + round));
  });

  await check('who is here is seen, oneself first, and who is typing', async () => {
    await Promise.all([isHere(ann, 'ann', 'bob', 'cid'), isHere(bob, 'bob', 'ann', 'cid'), isHere(cid, 'cid', 'ann', 'bob')]);
    assert.equal(await textOf(ann, '#count'), 'Here now: 3');
    for (const typist of [ann, bob]) {
      await typist.focus('#box');
      await typist.keyboard.type('hm');
      await says(cid, '#typing', typist === ann ? /^ann is typing/ : /^bob is typing/);
      await typist.fill('#box', '');
      await says(cid, '#typing', /^$/);
    }
  });

  await check('a changed name and colour are seen by others, and what was said keeps its name', async () => {
    await cid.click('#me button');
    await cid.fill('#name', 'Cidney');
    await cid.locator('#colours input').nth(3).check();
    await cid.press('#name', 'Enter');
    await isHere(ann, 'ann', 'bob', 'Cidney');
    await say(cid, 'new name, old me');
    await shows(ann, 'new name, old me');
    assert.deepEqual(await ann.locator('.group:not(.own) .byline .person').allTextContents().then((names) => [...new Set(names)].sort()), ['Cidney', 'bob', 'cid']);
  });

  await check('text is never markup, whoever sends it, and in names neither', async () => {
    const attack = '<img src=x onerror="window.hurt=1"><script>window.hurt=1</script><b>bold</b>';
    await say(ann, attack);
    await allShow([ann, bob, cid], attack);
    for (const [at, data] of [null, 5, [], { text: 5, name: {} }, { text: '&lt;i&gt;', name: '<b>x', colour: 'red;}' }].entries()) {
      assert.equal((await post('lobby', 'robot', at, data)).status, 200);
    }
    await allShow([ann, bob, cid], '&lt;i&gt;');
    for (const page of [ann, bob, cid]) {
      assert.equal(await page.locator('#log img, #log script, #log b, #log i').count(), 0);
      assert.equal(await page.evaluate(() => window.hurt), undefined);
    }
  });

  await check('Shift+Enter starts a line, and of addresses only those of the web can be followed', async () => {
    await ann.focus('#box');
    await ann.keyboard.type('fn main() {');
    await ann.keyboard.press('Shift+Enter');
    await ann.keyboard.type('    println!("hi");');
    await ann.keyboard.press('Shift+Enter');
    await ann.keyboard.type('}');
    await ann.keyboard.press('Enter');
    await shows(bob, 'fn main() {\n    println!("hi");\n}');
    await say(bob, 'See https://www.rfc-editor.org/rfc/rfc6455, and javascript:alert(1).');
    await shows(ann, 'See https://www.rfc-editor.org/rfc/rfc6455, and javascript:alert(1).');
    const links = await ann.locator('#log .text a').evaluateAll((found) => found.map(({ href, rel }) => [href, rel]));
    assert.deepEqual(links, [['https://www.rfc-editor.org/rfc/rfc6455', 'noopener noreferrer']]);
  });

  await check('a reload shows the history, who I am and who is here', async () => {
    const before = await texts(bob);
    const own = await bob.locator('.own .text').count();
    await bob.reload();
    await uses(bob, 'long polling');
    await until('the history', async () => (await texts(bob)).join('|') === before.join('|'));
    assert.equal(await bob.locator('.own .text').count(), own);
    await ticked(bob);
    await isHere(bob, 'bob', 'ann', 'Cidney');
    await isHere(ann, 'ann', 'bob', 'Cidney');
  });

  await check('rooms are apart, and the way back shows what was there', async () => {
    const lobby = await texts(cid);
    await cid.fill('#other-room', 'attic');
    await cid.press('#other-room', 'Enter');
    await says(cid, '#title', /^# attic$/);
    await live(cid);
    await say(cid, 'up here');
    await shows(cid, 'up here');
    assert.deepEqual(await texts(cid), ['up here']);
    assert.equal(await count(ann, 'up here'), 0);
    assert.equal(await cid.locator('#rooms [aria-current="page"]').textContent(), 'attic');
    await cid.goBack();
    await says(cid, '#title', /^# lobby$/);
    await until('the lobby', async () => (await texts(cid)).join('|') === lobby.join('|'));
  });

  await check('the title counts what came while the page was hidden', async () => {
    const hide = (hidden) => ann.evaluate((hidden) => {
      Object.defineProperty(document, 'hidden', { configurable: true, get: () => hidden });
      document.dispatchEvent(new Event('visibilitychange'));
    }, hidden);
    await hide(true);
    await say(bob, 'are you still there?');
    await shows(ann, 'are you still there?');
    assert.equal(await ann.title(), '(1) talkback');
    await hide(false);
    assert.equal(await ann.title(), 'talkback');
  });

  return { ann, bob, cid };
}

async function checkLimits({ ann, bob }) {
  await check('too much text is not sent and not lost; as much as is allowed arrives whole', async () => {
    await say(ann, '😀'.repeat(2000) + 'x');
    assert.match(await textOf(ann, '#remark'), /^1 characters? too long$/);
    assert.equal((await ann.inputValue('#box')).length, 4001);
    assert.equal(await ann.locator('#outbox .text').count(), 0);
    await ann.press('#box', 'Backspace');
    await ann.press('#box', 'Enter');
    await allShow([ann, bob], '😀'.repeat(2000));
    await say(ann, ' \n ');
    await ann.fill('#box', '');
    assert.equal(await ann.locator('#outbox .text').count(), 0);
    assert.equal((await post('lobby', 'robot', 'big', { text: 'x'.repeat(40_000) })).status, 413);
  });

  await check('what comes too fast is refused, with a way to edit it or to drop it', async () => {
    const { here: people } = await (await fetch(`${server.url}rooms/lobby/here`)).json();
    const { client } = people.find(({ state }) => state?.name === 'ann');
    let flooding = true;
    let flooded = 0;
    const flood = async () => { while (flooding) await post('flood', client, `f${flooded += 1}`, null).then((response) => response.text()); };
    const floods = Array.from({ length: 6 }, flood);
    try {
      for (const text of ['too fast, one', 'too fast, two']) {
        await until(`"${text}" is refused`, async () => {
          if (await ann.locator('.failed', { hasText: text }).count()) return true;
          if (await ann.locator('#outbox .text').count() < 2) await say(ann, text);
          await rest(200);
          return await ann.locator('.failed', { hasText: text }).count() > 0;
        });
      }
    } finally {
      flooding = false;
      await Promise.all(floods);
    }
    assert.match(await ann.locator('.failure').first().textContent(), /Not delivered: too much at once/);
    await shoot(ann, 'chat-refused.png');
    await ann.locator('.failed', { hasText: 'two' }).first().getByText('Discard').click();
    await ann.locator('.failed', { hasText: 'one' }).first().getByText('Edit').click();
    assert.equal(await ann.inputValue('#box'), 'too fast, one');
    await ann.press('#box', 'End');
    await ann.keyboard.type(', now slowly');
    await rest(1000); // in which more may be said
    await ann.keyboard.press('Enter');
    await allShow([ann, bob], 'too fast, one, now slowly');
    for (const left of await ann.getByText('Discard').all()) await left.click();
  });

  await check('new messages below are announced, and the page does not jump', async () => {
    for (let line = 0; line < 60; line += 1) await post('lobby', 'robot', `line-${line}`, { text: `line ${line}`, name: 'robot', colour: '#777777' });
    await shows(ann, 'line 59');
    await until('the end is in view', () => ann.evaluate(() => {
      const { scrollHeight, scrollTop, clientHeight } = document.querySelector('#scroll');
      return scrollHeight - scrollTop - clientHeight < 2;
    }));
    await ann.evaluate(() => { document.querySelector('#scroll').scrollTop = 100; });
    await rest(100);
    await say(bob, 'down here');
    await ann.waitForSelector('#fresh:not([hidden])');
    assert.equal(await textOf(ann, '#fresh'), '↓ 1 new message');
    assert.equal(await ann.evaluate(() => document.querySelector('#scroll').scrollTop), 100);
    await shoot(ann, 'chat-new-messages.png');
    await ann.click('#fresh');
    await ann.waitForSelector('#fresh', { state: 'hidden' });
  });
}

// ---------------------------------------------------------------- how it looks, and for whom it works

async function checkLook({ ann, bob }) {
  await check('each name can be read on its ground, whatever colour was chosen, light and dark', async () => {
    for (const colorScheme of ['light', 'dark']) {
      await ann.emulateMedia({ colorScheme });
      const [worst, colour] = await ann.evaluate(worstContrast);
      assert.ok(worst >= 4.5, `${colorScheme}, ${colour}: ${worst.toFixed(2)}`);
    }
    await ann.emulateMedia({ colorScheme: 'light' });
    await shoot(ann, 'chat-light.png');
    await shoot(bob, 'chat-dark.png');
  });

  await check('all that can be operated has a name, also for those who do not see it', async () => {
    assert.deepEqual(await nameless(ann), []);
    await ann.click('#me button');
    await ann.waitForSelector('#hello[open]');
    assert.deepEqual(await nameless(ann), []);
    await ann.keyboard.press('Escape');
    await ann.waitForSelector('#hello:not([open])', { state: 'attached' });
  });

  await check('the keyboard is enough: to join, to change rooms, to speak, and to change one\'s name', async () => {
    const dora = await open(browser, server.url);
    const press = (...keys) => keys.reduce((before, key) => before.then(() => dora.keyboard.press(key)), Promise.resolve());
    const focused = () => dora.evaluate(() => document.activeElement.id || document.activeElement.textContent);
    const tabTo = async (wanted) => {
      for (let times = 0; times < 30; times += 1) {
        if (await focused() === wanted) return;
        await press('Tab');
      }
      assert.fail(`Tab does not lead to ${wanted}`);
    };
    await dora.keyboard.type('dora');
    await press('Tab', 'ArrowRight', 'Enter');
    await live(dora);
    assert.equal(await focused(), 'box');
    await tabTo('kitchen');
    await press('Enter');
    await says(dora, '#title', /^# kitchen$/);
    await live(dora);
    assert.equal(await focused(), 'box');
    await dora.keyboard.type('by keyboard');
    await press('Enter');
    await shows(dora, 'by keyboard');
    await tabTo('other-room');
    await dora.keyboard.type('pantry');
    await press('Enter');
    await says(dora, '#title', /^# pantry$/);
    await tabTo('Change');
    await press('Enter');
    await dora.waitForSelector('#hello[open]');
    await dora.keyboard.type('Dora');
    await press('Enter');
    await isHere(dora, 'Dora');
    await dora.context().close();
  });

  await check('a phone of 390 pixels shows the conversation alone, and the rest in a drawer', async () => {
    const phone = await enter(browser, server.url, 'Mei-Lin', PHONE);
    await say(phone, 'On the train: https://example.com/a-very-long-address-that-nobody-reads-to-its-end-and-that-does-not-fit-at-all');
    await until('it is there', async () => (await last(ann, 1))[0].startsWith('On the train'));
    await ticked(phone);
    assert.ok(await fits(phone));
    assert.ok(!await phone.locator('#side').isVisible());
    for (const part of ['#box', '#send', '#show-side']) {
      const { x, width, y, height } = await phone.locator(part).boundingBox();
      assert.ok(x >= 0 && x + width <= 390 && y >= 0 && y + height <= 760 && height >= 30, part);
    }
    await shoot(phone, 'chat-phone.png');
    await phone.tap('#show-side');
    await phone.locator('#rooms a').first().waitFor();
    await until('the drawer is open', async () => (await phone.locator('#side').boundingBox()).x >= 0 && await phone.locator('#side').evaluate((side) => side.getAnimations().length === 0));
    assert.ok(await fits(phone));
    await shoot(phone, 'chat-phone-drawer.png');
    assert.deepEqual(await nameless(phone), []);
    await phone.tap('#rooms a:text("garden")');
    await says(phone, '#title', /^# garden$/);
    await until('the drawer is shut', async () => !await phone.locator('#side').isVisible());
    await phone.emulateMedia({ colorScheme: 'dark' });
    await shoot(phone, 'chat-phone-dark.png');
    await phone.context().close();
  });
}

// Runs in the page: the least contrast of a name, and of the letter in a face, over many colours.
function worstContrast() {
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
  const before = person.style.getPropertyValue('--colour');
  const grounds = [document.body, document.querySelector('#side')].map((node) => getComputedStyle(node).backgroundColor);
  const parts = ['00', '55', 'aa', 'ff'];
  const chosen = [...document.querySelectorAll('#colours input')].map((input) => input.value);
  const colours = [...chosen, ...parts.flatMap((red) => parts.flatMap((green) => parts.map((blue) => `#${red}${green}${blue}`)))];
  let worst = [99, ''];
  for (const colour of colours) {
    for (const node of [person, face]) node.style.setProperty('--colour', colour);
    const seen = [...grounds.map((ground) => contrast(getComputedStyle(person).color, ground)),
      contrast(getComputedStyle(face).color, getComputedStyle(face).backgroundColor)];
    if (Math.min(...seen) < worst[0]) worst = [Math.min(...seen), colour];
  }
  for (const node of [person, face]) node.style.setProperty('--colour', before);
  return worst;
}

// ---------------------------------------------------------------- all of it

const server = await startServer(process.env.CHAT_BIN);
const wires = { ann: await startWire(server.url), bob: await startWire(server.url), cid: await startWire(server.url) };
const browser = await launch();

await finish(async () => {
  const people = await checkTalk();
  await checkLimits(people);
  await checkLook(people);
  await check('no page complained', () => assert.deepEqual(complaints, []));
  console.log(`pictures: ${artifacts}`);
}, ALL, browser);
