// A room of a talkback server, over the best transport that gets through.
// Events (with `detail`): message, gap, here, sent, refused, transport
const ANSWER = 10_000; // ms
const pause = (ms) => new Promise((done) => setTimeout(done, ms));
const unique = () => Math.random().toString(36).slice(2);
const backoff = (failures) => Math.random() * Math.min(30_000, 1000 * 2 ** failures);
// A status or close code that would be the same again
const isFinal = (status) => /^(4(?!08|29)\d\d|100[3789])$/.test(status);

export class TalkbackRoom extends EventTarget {
	// Options, times in ms
	client = unique();
	transports = ['websocket', 'events', 'streaming', 'long-polling'];
	pollInterval = 2000;
	climbInterval = 60_000;
	patience = 5000;
	maxQueue = 1000;
	after = ''; // a cursor, or `end`

	transport = null;
	pending = new Map(); // id to { message, data }
	#link; #trial; // in use; being tried
	#url; #timer; #hears;
	#failures = 0;
	#closed = new AbortController();

	constructor(url, options) {
		super();
		Object.assign(this, options);
		this.cursor = this.after;
		this.#url = new URL(url, location);
		addEventListener('online', () => this.#link || this.#trial || this.#try(), this.#closed);
		addEventListener('offline', () => this.#link && this.#fail(this.#link, Error('offline')), this.#closed);
		this.#try();
	}

	addEventListener(kind, ...rest) {
		this.#hears ||= kind === 'here';
		super.addEventListener(kind, ...rest);
	}

	send(data) {
		if (this.pending.size >= this.maxQueue) throw new RangeError('queue full');
		const item = { message: unique(), data };
		this.pending.set(item.message, item);
		this.#write([item]);
		return item.message;
	}

	setState(state) {
		this.state = state;
		if (this.#link?.socket) this.#write([{ state }]);
		else this.#post('here', { state }).catch(() => {});
	}

	close(why = 'closed') {
		this.#closed.abort();
		this.#leave(why);
	}

	#leave(why) {
		clearTimeout(this.#timer);
		this.#link?.abort();
		this.#trial?.abort();
		this.#link = this.#trial = null;
		this.#use(null, why);
	}

	#use(name, why) {
		this.transport = name;
		this.#tell('transport', { name, why });
	}

	#try(wanted) {
		if (this.#closed.signal.aborted) return;
		clearTimeout(this.#timer);
		const name = this.transports.includes(wanted) ? wanted : this.transports[0];
		const link = Object.assign(new AbortController(), { name, state: this.state, from: this.cursor });
		this.#trial = link;
		// The first object comes at once, if nothing withholds it.
		this.#limit(link, this.patience);
		this.#read(link).catch((error) => this.#fail(link, error));
	}

	// It takes over. What both links have brought, the cursor drops.
	#works(link) {
		link.since = Date.now();
		clearTimeout(link.timer);
		this.#link?.abort();
		this.#link = link;
		this.#trial = null;
		this.#use(link.name, 'works');
		this.#climb();
		if (link.state !== this.state) this.setState(this.state);
		this.#write(this.pending.values());
	}

	#climb() {
		if (this.transport !== this.transports[0]) this.#timer = setTimeout(() => this.#try(), this.climbInterval);
	}

	#fail(link, { status, message, error = message }) {
		if (link.signal.aborted) return;
		link.abort();
		const { name, since } = link;
		const next = this.transports[this.transports.indexOf(name) + 1];
		if (isFinal(status)) { // who may not even poll may do nothing
			this.transports = this.transports.filter((other) => other !== name && !name.endsWith('polling'));
			this.#settle({ message: null, status, error });
			if (!this.transports.length) return this.close(error);
		}
		if (!since) {
			if (next && next !== this.transport) return this.#try(next);
			if (this.#link) return this.#climb();
		}
		this.#failures = since ? 1 : this.#failures + 1;
		this.#leave(error);
		// What worked is tried first.
		this.#timer = setTimeout(() => this.#try(since && name), backoff(this.#failures));
	}

	#limit(link, ms) {
		clearTimeout(link.timer);
		link.timer = setTimeout(() => this.#fail(link, Error('silent')), ms);
	}

	// Ends by an error only.
	#read(link) {
		const { name } = link;
		if (name === 'streaming') return this.#stream(link);
		if (name.endsWith('polling')) return this.#poll(link, name === 'polling' ? 0 : 25);
		return new Promise((_, fail) => {
			const source = name === 'events' ? new EventSource(this.#address(name, link))
				: link.socket = new WebSocket(this.#address('socket', link).href.replace('http', 'ws'));
			const take = ({ data }) => this.#take(link, JSON.parse(data));
			for (const kind of ['message', 'gap', 'place', 'here']) source.addEventListener(kind, take);
			source.onerror = source.onclose = ({ code, reason }) => fail({ status: code, error: reason || 'cut off' });
			link.signal.onabort = () => source.close();
		});
	}

	async #stream(link) {
		const reader = (await this.#fetch('stream', link)).pipeThrough(new TextDecoderStream()).getReader();
		for (let rest = ''; ;) {
			const { value, done } = await reader.read();
			if (done) throw Error('cut off');
			if (link.since) this.#limit(link, 50_000);
			const lines = (rest + value).split('\n');
			rest = lines.pop();
			for (const line of lines) if (line) this.#take(link, JSON.parse(line));
		}
	}

	async #poll(link, longest) {
		this.#askHere(link);
		for (link.wait = 0; ; link.wait = longest) { // the first at once
			this.#limit(link, link.wait * 1000 + this.pollInterval + ANSWER);
			const { epoch, first, last, gap, cursor, messages } = await this.#fetch('messages', link);
			if (gap) this.#take(link, { id: `${epoch}-${first - 1}`, gap: { epoch, first, last } });
			for (const object of [...messages, { id: cursor }]) this.#take(link, object);
			if (!longest && cursor.split('-')[1] >= last) await pause(this.pollInterval);
		}
	}

	async #askHere(link) {
		for (; !link.signal.aborted; await pause(5000)) {
			const here = this.#hears && await this.#fetch('here', link).catch(() => null);
			if (here) this.#tell('here', here);
		}
	}

	#take(link, object) {
		if (link.signal.aborted) return;
		if (!link.since) this.#works(link);
		const { id, ack, refused = ack, here, gap, data } = object;
		if (refused !== undefined) return this.#settle({ ...object, message: refused });
		if (here) return this.#tell('here', object);
		const [[epoch, at], [mine, seen]] = [id.split('-'), this.cursor.split('-')];
		if (epoch === mine && +at <= +seen && !(gap?.last < link.from.split('-')[1])) return;
		this.cursor = id;
		if (gap || data !== undefined) this.#tell(gap ? 'gap' : 'message', object);
	}

	#write(items) {
		const link = this.#link;
		for (const item of link ? items : []) {
			if (link.socket) {
				link.socket.send(JSON.stringify(item));
				setTimeout(() => this.pending.has(item.message) && this.#fail(link, Error('silent')), ANSWER);
			} else link.sent = Promise.resolve(link.sent).then(() => this.#deliver(link, item));
		}
	}

	async #deliver(link, item) {
		for (let failures = 0; link === this.#link && this.pending.has(item.message); failures++) {
			const answer = await this.#post('messages', item).catch((error) => error);
			if (answer.id || isFinal(answer.status)) this.#settle({ message: item.message, ...answer });
			else await pause(backoff(failures));
		}
	}

	#settle(detail) {
		if (this.pending.delete(detail.message) || !detail.message) this.#tell(detail.id ? 'sent' : 'refused', detail);
	}

	#post(path, fields) {
		const body = JSON.stringify({ client: this.client, ...fields });
		return this.#fetch(path, { method: 'POST', body, signal: AbortSignal.timeout(ANSWER) });
	}

	async #fetch(path, init) {
		const response = await fetch(this.#address(path, init), init);
		if (response.ok) return path === 'stream' ? response.body : response.json();
		throw { status: response.status, error: await response.text() };
	}

	#address(path, { method, wait }) {
		const address = new URL(this.#url);
		address.pathname += '/' + path;
		const query = method ? {} : { client: this.client, after: this.cursor, state: JSON.stringify(this.state), wait };
		for (const name in query) if (query[name]) address.searchParams.set(name, query[name]);
		return address;
	}

	#tell(kind, detail) {
		this.dispatchEvent(new CustomEvent(kind, { detail }));
	}
}
