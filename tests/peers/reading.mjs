// npm `eventsource`, and a record of what passed.
import { EventSource, until } from './check.mjs';

/**
 * An event source that keeps what it sees, what it asked with, and how it was answered.
 * It comes back after 3 s, or after `retry` milliseconds, as if the server had said so.
 */
export function reading(port, { names = [], target = '/events', retry } = {}) {
  const asked = [];
  const answers = [];
  const source = new EventSource(`http://127.0.0.1:${port}${target}`, {
    fetch: async (url, init) => {
      asked.push({ id: init.headers['Last-Event-ID'], at: performance.now() });
      const answer = await fetch(url, init);
      answers.push(answer);
      return retry === undefined ? answer : hurried(answer, retry);
    },
  });
  Object.assign(source, { seen: [], errors: [], asked, answers, openCount: 0 });
  source.addEventListener('open', () => { source.openCount += 1; });
  source.addEventListener('error', ({ code }) => source.errors.push({ code, at: performance.now() }));
  for (const name of ['message', ...names]) {
    source.addEventListener(name, ({ type, lastEventId, data }) => source.seen.push([type, lastEventId, data]));
  }
  source.until = (count) => until(() => source.seen.length >= count, () => `event ${count}, after ${source.seen.length}`);
  source.opened = (count = 1) => until(() => source.openCount >= count, () => `open ${count}`);
  return source;
}

/** The same answer behind a `retry`. */
function hurried(answer, retry) {
  const first = new TextEncoder().encode(`retry: ${retry}\n\n`);
  const behind = new TransformStream({ start: (controller) => controller.enqueue(first) });
  return new Response(answer.body.pipeThrough(behind), answer);
}
