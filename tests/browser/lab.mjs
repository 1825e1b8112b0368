// What the tests of the rooms share: a server, a browser, waiting, and counting checks.
//   CHROMIUM    the browser, /usr/bin/chromium by default
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { chromium } from 'playwright-core';
import { startModel } from './model_server.mjs';

export const PATIENCE = 20_000;       // for whatever has to come

// ---------------------------------------------------------------- the server

const running = new Set();
process.on('exit', () => { for (const child of running) child.kill('SIGKILL'); });
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(1));

export function run(binary, args, stdio) {
  const child = spawn(binary, args, { stdio });
  running.add(child);
  child.once('exit', () => running.delete(child));
  return child;
}

// A built server takes an address and prints `...: open URL`. Without one it is the model.
export async function startServer(binary, address = '127.0.0.1:0') {
  if (!binary) return startModel({ columns: true });
  const child = run(binary, [address], ['ignore', 'pipe', 'inherit']);
  const [line] = await within(once(createInterface(child.stdout), 'line'), PATIENCE, 'the address of the server');
  const url = /open (http:\/\/\S+\/)$/.exec(line)?.[1];
  assert.ok(url, `the server said: ${line}`);
  return {
    url,
    address: new URL(url).host,
    async stop() {
      const gone = once(child, 'exit');
      child.kill('SIGKILL');
      await within(gone, PATIENCE, 'the end of the server');
    },
  };
}

export const launch = () => chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  headless: true,
  args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
    '--disable-background-networking', '--disable-component-update', '--disable-sync'],
});

// ---------------------------------------------------------------- waiting

export function within(promise, limit, what) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: nothing within ${limit} ms`)), limit);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

export async function until(what, holds, limit = PATIENCE) {
  for (const end = Date.now() + limit; Date.now() < end;) {
    if (await holds()) return;
    await rest(30);
  }
  assert.fail(`not within ${limit} ms: ${what}`);
}

export const rest = (ms) => new Promise((done) => setTimeout(done, ms));

// ---------------------------------------------------------------- checks

let passed = 0;
let failed = 0;

// One line a check. `after` puts things back, also when it failed.
export async function check(what, test, after = () => {}) {
  const begun = Date.now();
  try {
    await test();
    passed += 1;
    console.log(`ok      ${what} (${Date.now() - begun} ms)`);
  } catch (error) {
    failed += 1;
    console.log(`FAILED  ${what}\n        ${String(error.stack ?? error).split('\n').slice(0, 8).join('\n        ')}`);
  } finally {
    await after();
  }
}

// Runs everything within a limit, and ends the process: with the count in the last line, and status 1 if a check failed.
export async function finish(all, limit, browser) {
  await within(all(), limit, 'the whole run').catch((error) => {
    failed += 1;
    console.log(`FAILED  ${error.stack ?? error}`);
  });
  if (browser) await within(browser.close(), PATIENCE, 'the end of the browser').catch((error) => console.log(String(error)));
  console.log(`${passed} passed, ${failed} failed`);
  process.exit(failed ? 1 : 0);
}
