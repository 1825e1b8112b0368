// A room as the wire contract describes it, small: a log with an epoch, and who is here.
import { randomBytes } from 'node:crypto';

const PAGE = 100;

export class Room {
  epoch = randomBytes(8).toString('hex');
  first = 1;
  log = [];
  readers = new Set();       // called when there is something new
  watchers = new Set();      // called when somebody comes, goes or changes
  members = new Map();       // client to { state, links }
  #stored = new Map();       // client and message to id

  constructor(keep) {
    this.keep = keep;
  }

  get last() { return this.first + this.log.length - 1; }
  id(at) { return `${this.epoch}-${at}`; }

  publish(client, message, data) {
    const key = `${client}\n${message}`;
    const before = this.#stored.get(key);
    if (before) return { id: before, new: false };
    const id = this.id(this.last + 1);
    this.log.push({ id, at: Date.now(), client, message, data });
    if (this.log.length > this.keep) {
      this.log.shift();
      this.first += 1;
    }
    this.#stored.set(key, id);
    for (const read of [...this.readers]) read();
    return { id, new: true };
  }

  // Where a reader with this cursor stands, and the gap if it cannot be served as a whole.
  enter(after) {
    if (!after) return { at: this.first - 1 };
    if (after === 'end') return { at: this.last };
    const [, epoch, digits] = /^([0-9a-f]{16})-(\d+)$/.exec(after) ?? [];
    if (!epoch) return null;
    const at = Number(digits);
    return epoch === this.epoch && at >= this.first - 1 && at <= this.last ? { at } : this.gap();
  }

  gap() {
    const { epoch, first, last } = this;
    return { at: first - 1, gap: { id: this.id(first - 1), gap: { epoch, first, last } } };
  }

  page(after) {
    const { at, gap } = this.enter(after);
    const messages = this.log.slice(at + 1 - this.first).slice(0, PAGE);
    const { epoch, first, last } = this;
    return { epoch, first, last, gap: Boolean(gap), cursor: this.id(at + messages.length), messages };
  }

  // Tells `push` a gap or the place, then all publications, until the returned function is called.
  follow(after, push) {
    let { at, gap } = this.enter(after);
    push(gap ?? { id: this.id(at) });
    const read = () => {
      if (at < this.first - 1) {
        ({ at, gap } = this.gap());
        push(gap);
      }
      while (at < this.last) push(this.log[(at += 1) - this.first]);
    };
    read();
    this.readers.add(read);
    return () => this.readers.delete(read);
  }

  here() {
    const here = [...this.members].map(([client, { state }]) => ({ client, state }));
    return { here: here.slice(0, 100), count: here.length };
  }

  join(client, state = null) {
    const member = this.members.get(client) ?? { links: 0 };
    this.members.set(client, { state, links: member.links + 1 });
    this.#changed();
    return () => {
      const left = this.members.get(client);
      left.links -= 1;
      if (left.links === 0) this.members.delete(client);
      this.#changed();
    };
  }

  change(client, state) {
    const member = this.members.get(client);
    if (!member) return;
    member.state = state;
    this.#changed();
  }

  #changed() {
    for (const watch of [...this.watchers]) watch();
  }
}
