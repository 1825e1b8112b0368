// What a person does on the chat's page, and sees there.
import { until, PATIENCE } from './lab.mjs';
import { RECONNECT, open } from './pages.mjs';

export const live = (page, limit = PATIENCE) => page.waitForSelector('body.live', { timeout: limit });

export async function enter(browser, url, name, options) {
  const page = await open(browser, url, options);
  await page.fill('#name', name);
  await page.press('#name', 'Enter');
  await live(page);
  return page;
}

// Whoever says something sees it in the log only when the room tells it: that can be later than when others see it.
export async function say(page, text) {
  await page.fill('#box', text);
  await page.press('#box', 'Enter');
}

export const texts = (page) => page.locator('#log .text').allTextContents();
export const last = async (page, count) => (await texts(page)).slice(-count);
export const count = async (page, text) => (await texts(page)).filter((shown) => shown === text).length;
export const shows = (page, ...wanted) => until(`at the end: ${wanted}`.slice(0, 300), async () => (await last(page, wanted.length)).join('|') === wanted.join('|'), RECONNECT);
export const allShow = (pages, ...wanted) => Promise.all(pages.map((page) => shows(page, ...wanted)));
export const here = (page) => page.locator('#here .person').allTextContents();
export const isHere = (page, ...names) => until(`here: ${names}`, async () => (await here(page)).join() === names.join(), RECONNECT);
export const textOf = (page, part) => page.locator(part).textContent();
export const says = (page, part, wanted, limit = RECONNECT) => until(`${part} says ${wanted}`, async () => wanted.test(await textOf(page, part)), limit);
export const uses = (page, way) => says(page, '#state', new RegExp(`connected by ${way}`));
export const ticked = (page) => until('all is delivered', async () => await page.locator('#outbox .text').count() === 0
  && await page.locator('#log .own .said > div:not(.stored)').count() === 0, RECONNECT);
