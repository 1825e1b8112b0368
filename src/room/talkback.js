// A room of a talkback server, over the best transport that gets through, with one cursor for all of them.
// Events, each with its object in `detail`: message, gap, here, sent, refused, transport.
const ANSWER = 10_000; // ms that a short answer may take
const pause = (ms) => new Promise((done) => setTimeout(done, ms));
const unique = () => crypto.getRandomValues(new BigUint64Array(1))[0].toString(36);
const backoff = (failures, after = 0) => after + Math.random() * Math.min(30_000, 1000 * 2 ** failures);
// Statuses, and codes of a WebSocket's close, that will be the same the next time
const isFinal = (status) => /^(4(?!08|29)\d\d|100[378])$/.test(status);

export class TalkbackRoom extends EventTarget {
	// Options; times in ms
	client = unique();
	transports = ['websocket', 'events', 'streaming', 'long-polling'];
	pollInterval = 2000;
	climbInterval = 60_000;
	patience = 5000;
	maxQueue = 1000;

	transport = null;
	pending = []; // { message, data }: not acknowledged
	#link; #trial; // in use; being tried
	#url; #timer; #hears;
	#failures = 0;
	#closed = new AbortController();

	constructor(url, options) {
		super();
		Object.assign(this, { after: '' }, options);
		this.cursor = this.after;
		this.#url = new URL(url, location);
		addEventListener('online', () => this.#link || this.#trial || this.#try(), this.#closed);
		addEventListener('offline', () => this.#link && this.#failed(this.#link, Error('offline')), this.#closed);
		this.#try();
	}

	addEventListener(kind, ...rest) {
		this.#hears ||= kind === 'here';
		super.addEventListener(kind, ...rest);
	}

	send(data) {
		if (this.pending.length >= this.maxQueue) throw new RangeError('too many messages wait');
		const item = { message: unique(), data };
		this.pending.push(item);
		this.#write([item]);
		return item.message;
	}

	setState(state) {
		this.state = state;
		if (this.#link?.socket) this.#write([{ state }]);
		else if (this.#link) this.#post('here', { state }).catch(() => {});
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

	#try(name = this.transports[0]) {
		clearTimeout(this.#timer);
		const link = this.#trial = Object.assign(new AbortController(), { name, state: this.state });
		// The first object comes at once, unless something in between holds it back.
		this.#limit(link, this.patience * Math.min(1 + this.#failures, 6));
		this.#read(link).catch((error) => this.#failed(link, error));
	}

	// Takes over. What both links have brought, the cursor drops.
	#works(link) {
		link.since = Date.now();
		clearTimeout(link.timer);
		this.#link?.abort();
		this.#link = link;
		this.#trial = null;
		this.#use(link.name, 'works');
		this.#climbLater();
		if (link.state !== this.state) this.setState(this.state);
		this.#write(this.pending);
	}

	#climbLater() {
		if (this.transport !== this.transports[0]) this.#timer = setTimeout(() => this.#try(), this.climbInterval);
	}

	#failed(link, { status, message, error = message, after }) {
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
			if (this.#link) return this.#climbLater();
		}
		this.#failures = Date.now() - since > this.patience ? 0 : this.#failures + 1;
		this.#leave(error);
		// What has worked is tried first.
		this.#timer = setTimeout(() => this.#try(since && name), backoff(this.#failures, after));
	}

	#limit(link, ms) {
		clearTimeout(link.timer);
		link.timer = setTimeout(() => this.#failed(link, Error('silent')), ms);
	}

	// Ends by an error only, as all that reads
	async #read(link) {
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
		const bytes = await this.#fetch('stream', link);
		const reader = bytes.pipeThrough(new TextDecoderStream()).getReader();
		for (let rest = ''; ;) {
			const { value, done } = await reader.read();
			if (done) throw Error('cut off');
			if (link.since) this.#limit(link, 50_000); // the server says something every 15 s
			const lines = (rest + value).split('\n');
			rest = lines.pop();
			for (const line of lines) if (line) this.#take(link, JSON.parse(line));
		}
	}

	async #poll(link, longest) {
		const here = setInterval(() => this.#askHere(link), 5000);
		link.signal.onabort = () => clearInterval(here);
		this.#askHere(link);
		for (link.wait = 0; ; link.wait = longest) { // the first answer comes at once
			this.#limit(link, link.wait * 1000 + ANSWER);
			const { epoch, first, last, gap, cursor, messages } = await this.#fetch('messages', link);
			if (gap) this.#take(link, { id: `${epoch}-${first - 1}`, gap: { epoch, first, last } });
			for (const object of [...messages, { id: cursor }]) this.#take(link, object);
			if (!longest && cursor.split('-')[1] >= last) await pause(this.pollInterval);
		}
	}

	async #askHere(link) {
		const here = this.#hears && await this.#fetch('here', link).catch(() => null);
		if (here) this.#tell('here', here);
	}

	#take(link, object) {
		if (link.signal.aborted) return;
		if (!link.since) this.#works(link);
		const { ack, refused = ack, ...rest } = object;
		if (refused !== undefined) return this.#settle({ message: refused, ...rest });
		if (object.here) return this.#tell('here', object);
		const [[epoch, at], [mine, seen]] = [object.id.split('-'), this.cursor.split('-')];
		if (epoch === mine && +at <= +seen) return;
		this.cursor = object.id;
		if (object.gap) this.#tell('gap', object);
		else if ('data' in object) this.#tell('message', object);
	}

	#write(items) {
		const link = this.#link;
		if (!link?.socket) return this.#postAll(link);
		for (const item of items) {
			link.socket.send(JSON.stringify(item));
			setTimeout(() => this.pending.includes(item) && this.#failed(link, Error('silent')), ANSWER);
		}
	}

	// One after the other, while this link is in use
	async #postAll(link) {
		if (!link || link.posting) return;
		link.posting = true;
		for (let failures = 0; link === this.#link && this.pending.length;) {
			const [item] = this.pending;
			const answer = await this.#post('messages', item).catch((error) => error);
			if (answer.id || isFinal(answer.status)) {
				failures = 0;
				this.#settle({ message: item.message, ...answer });
			} else await pause(backoff(failures++, answer.after));
		}
		link.posting = false;
	}

	#settle(detail) {
		const at = this.pending.findIndex(({ message }) => message === detail.message);
		if (at >= 0) this.pending.splice(at, 1);
		if (at >= 0 || !detail.message) this.#tell(detail.id ? 'sent' : 'refused', detail);
	}

	#post(path, fields) {
		const body = JSON.stringify({ client: this.client, ...fields });
		return this.#fetch(path, { method: 'POST', body, signal: AbortSignal.timeout(ANSWER) });
	}

	async #fetch(path, init) {
		const response = await fetch(this.#address(path, init), init);
		if (response.ok) return path === 'stream' ? response.body : response.json();
		const after = 1000 * response.headers.get('Retry-After') || 0;
		throw { status: response.status, error: await response.text(), after };
	}

	#address(path, { method, wait }) {
		const address = new URL(this.#url);
		address.pathname += `/${path}`;
		const query = method ? {} : { client: this.client, after: this.cursor, state: JSON.stringify(this.state), wait };
		for (const name in query) if (query[name]) address.searchParams.set(name, query[name]);
		return address;
	}

	#tell(kind, detail) {
		this.dispatchEvent(new CustomEvent(kind, { detail }));
	}
}
