// What the tests of the demo's pages share: opening them, pictures of them, and what they complain of.
//   ARTIFACTS   where the pictures go, a new temporary folder by default
import { mkdirSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const DESKTOP = { viewport: { width: 1280, height: 800 } };
export const PHONE = { viewport: { width: 390, height: 760 }, isMobile: true, hasTouch: true, deviceScaleFactor: 2 };
export const RECONNECT = 45_000;      // the longest pause between two attempts, and some more

export const artifacts = process.env.ARTIFACTS ?? mkdtempSync(join(tmpdir(), 'pages-'));
mkdirSync(artifacts, { recursive: true });

// Errors of any page, policies that it broke among them, but for refused connections, which belong to the test.
export const complaints = [];

export async function open(browser, url, options = DESKTOP) {
  const context = await browser.newContext({ ...DESKTOP, ...options });
  const page = await context.newPage();
  page.on('pageerror', (error) => complaints.push(String(error)));
  page.on('console', (message) => {
    const text = message.text();
    if (message.type() === 'error' && !/net::ERR_|WebSocket connection|status of (403|404|502)/.test(text)) complaints.push(text);
  });
  await page.goto(url);
  return page;
}

export const shoot = (page, name, options) => page.screenshot({ path: join(artifacts, name), animations: 'disabled', ...options });

// Whether nothing has to be scrolled to sideways.
export const fits = (page) => page.evaluate(() => document.documentElement.scrollWidth <= innerWidth);

// What can be operated, but has no name for those who do not see it: there is to be nothing.
export async function nameless(page) {
  const session = await page.context().newCDPSession(page);
  const { nodes } = await session.send('Accessibility.getFullAXTree');
  await session.detach();
  const operable = /^(button|link|textbox|radio|checkbox|combobox|dialog|region|log|list|img|image|group)$/;
  return nodes.filter((node) => !node.ignored && operable.test(node.role?.value) && !node.name?.value)
    .map((node) => node.role.value);
}
