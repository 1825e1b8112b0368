// What the checks in Node share: the packages, a line for each check, the examples as child processes.
// EXAMPLES: the folder of the built examples. PEERS: the folder whose node_modules has the packages.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import path from 'node:path';

const require = createRequire(path.join(process.env.PEERS, 'package.json'));
export const WebSocket = require('ws');
export const { EventSource } = require('eventsource');
export const MIB = 1024 * 1024;
const SECONDS = 20;
// whose checks these are: scripts are named for the peer
const PEER = path.basename(process.argv[1], '.mjs').split('_')[0];

let passed = 0;
let failed = 0;
const children = new Set();
process.on('exit', () => children.forEach((child) => child.kill('SIGKILL')));
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => process.exit(1));

/** Runs one check, with a limit on its time, and prints its line. */
export async function check(name, run) {
  let timer;
  const limit = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not done after ${SECONDS} s`)), SECONDS * 1000);
  });
  try {
    await Promise.race([run(), limit]);
    passed += 1;
    console.log(`ok ${PEER}: ${name}`);
  } catch (error) {
    failed += 1;
    console.log(`FAIL ${PEER}: ${name}: ${error.stack ?? error}`);
  } finally {
    clearTimeout(timer);
  }
}

/** An example as a child process. */
export const example = (name, ...args) => program(path.join(process.env.EXAMPLES, name), ...args);

/** A child process; its output is gathered as it comes. */
export function program(file, ...args) {
  const child = spawn(file, args, { stdio: ['pipe', 'pipe', 'pipe'] });
  children.add(child);
  const it = { child, stdin: child.stdin, stdout: '', stderr: '' };
  child.stdin.on('error', () => {}); // it may end before it has read everything
  for (const stream of ['stdout', 'stderr']) {
    child[stream].setEncoding('utf8').on('data', (text) => { it[stream] += text; });
  }
  it.ended = once(child, 'close').then(([status, signal]) => {
    children.delete(child);
    return signal ?? status;
  });
  return it;
}

/** Waits until `condition()` holds; `what()` says what for. */
export async function until(condition, what) {
  const deadline = Date.now() + (SECONDS - 2) * 1000;
  while (!condition()) {
    assert.ok(Date.now() < deadline, `waited too long for ${what()}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** Prints the count, and ends. */
export function end() {
  console.log(`${passed} passed, ${failed} failed`);
  process.exit(failed === 0 ? 0 : 1);
}
