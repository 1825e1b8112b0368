// The drawings of the comparison: how a transport works, and how long its messages took.
const SVG = 'http://www.w3.org/2000/svg';

export function drawn(name, attributes, ...children) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

// ---------------------------------------------------------------- how it works

const SERVER = 16;             // y
const BROWSER = 62;
const TRAVEL = 9;              // x
const NEWS = [44, 103, 118, 186];

const up = (x) => drawn('path', { class: 'ask', d: `M${x} ${BROWSER}L${x + TRAVEL} ${SERVER}` });
const down = (x, className = 'empty') => drawn('path', { class: className, d: `M${x} ${SERVER}L${x + TRAVEL} ${BROWSER}` });
const arrived = (x) => drawn('circle', { class: 'news', cx: x, cy: BROWSER, r: 4 });
const brought = (x) => [down(x, 'news'), arrived(x + TRAVEL)];
const held = (from, to) => drawn('path', {
  class: 'held', d: `M${from} ${BROWSER}L${from + TRAVEL} ${SERVER}H${to}L${to + TRAVEL} ${BROWSER}Z`,
});

function drawPolling() {
  return [6, 72, 138, 204].flatMap((asked, at, all) => {
    const answered = asked + TRAVEL;
    const news = NEWS.filter((x) => x <= answered && (at === 0 || x > all[at - 1] + TRAVEL));
    const dots = news.map((_, index) => arrived(answered + TRAVEL + index * 7));
    return [up(asked), down(answered, news.length ? 'news' : 'empty'), ...dots];
  });
}

function drawLongPolling() {
  let asked = 6;
  return NEWS.flatMap((news) => {
    const answered = Math.max(news, asked + TRAVEL);
    const parts = [held(asked, answered), up(asked), ...brought(answered)];
    asked = answered + TRAVEL;
    return parts;
  }).concat(held(asked, 240), up(asked));
}

const drawOpen = (from, to) => [held(from, to), up(from)];
const drawStream = () => [...drawOpen(6, 240), ...NEWS.flatMap(brought)];
const drawSocket = () => [...drawOpen(6, 240), ...NEWS.flatMap(brought), ...[66, 146, 210].map((x) => drawn('path', { class: 'own', d: `M${x} ${BROWSER}L${x + TRAVEL} ${SERVER}` }))];

function drawAutomatic() {
  const cross = (x) => drawn('path', { class: 'cut', d: `M${x - 5} 34l10 10m0 -10l-10 10` });
  return [
    ...drawOpen(6, 62), ...brought(NEWS[0]), cross(76), ...drawOpen(84, 152), ...brought(NEWS[1]), ...brought(NEWS[2]),
    ...drawOpen(160, 240), ...brought(NEWS[3]),
    drawn('text', { x: 29, y: 42 }, 'WS'), drawn('text', { x: 142, y: 42 }, 'SSE'), drawn('text', { x: 216, y: 42 }, 'WS'),
  ];
}

const PICTURES = {
  polling: drawPolling, 'long-polling': drawLongPolling, streaming: drawStream, events: drawStream, websocket: drawSocket, automatic: drawAutomatic,
};

// The same four pieces of news for each: dots on the upper line when there is news, on the lower one when the browser has it.
export function picture(transport, label) {
  return drawn(
    'svg', { class: 'picture', viewBox: '0 -6 240 92', role: 'img', 'aria-label': label },
    drawn('path', { class: 'line', d: `M0 ${SERVER}H240` }), drawn('path', { class: 'line', d: `M0 ${BROWSER}H240` }),
    ...PICTURES[transport](),
    ...NEWS.map((x) => drawn('circle', { class: 'born', cx: x, cy: SERVER, r: 4 })),
    drawn('text', { class: 'end', x: 0, y: 7 }, 'server'), drawn('text', { class: 'end', x: 0, y: 79 }, 'browser'),
  );
}

// ---------------------------------------------------------------- how long it took

const WIDTH = 240;
const HEIGHT = 84;
const SHORTEST = 1;            // ms, at the lower edge
const LONGEST = 10_000;
const GRID = [[10, '10 ms'], [100, '0.1 s'], [1000, '1 s']];

// Of the whole height, on a scale on which each ten times is as far.
export const share = (value, shortest = SHORTEST, longest = LONGEST) =>
  Math.min(1, Math.max(0, Math.log(value / shortest) / Math.log(longest / shortest)));

const y = (ms) => (HEIGHT - share(ms) * HEIGHT).toFixed(1);

export function chart() {
  const area = drawn('path', { class: 'area' });
  const half = drawn('path', { class: 'half' });
  const node = drawn(
    'svg', { class: 'chart', viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: 'img' },
    ...GRID.flatMap(([ms, label]) => [
      drawn('path', { class: 'grid', d: `M0 ${y(ms)}H${WIDTH}` }), drawn('text', { x: 0, y: y(ms) - 3 }, label),
    ]),
    area, half,
  );
  return {
    node,
    // `seconds`: for each of the last ones, the oldest first, { p50, p99 }, or null when nothing came.
    show(seconds, label) {
      const step = WIDTH / (seconds.length - 1);
      const points = seconds.map((second, at) => second && [(at * step).toFixed(1), y(second.p50), y(second.p99)]).filter(Boolean);
      half.setAttribute('d', points.map(([x, mid], at) => `${at ? 'L' : 'M'}${x} ${mid}`).join(''));
      const back = points.map(([x]) => `L${x} ${HEIGHT}`).reverse();
      area.setAttribute('d', points.length ? `${points.map(([x, , top], at) => `${at ? 'L' : 'M'}${x} ${top}`).join('')}${back.join('')}Z` : '');
      node.setAttribute('aria-label', label);
    },
  };
}
