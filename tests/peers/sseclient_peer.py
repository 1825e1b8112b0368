"""Python `sseclient-py` reads the events of the example `feed`, over the HTTP client of the standard library.

EXAMPLES: the folder of the built examples.
"""
import asyncio
import contextlib
import http.client
import json
import re

from sseclient import SSEClient

from check import MIB, SECONDS, check, checked, equal, example, line


class Feed:
    """A feed that runs, and what to say to it."""

    def __init__(self, process, port):
        self.process, self.port = process, port

    def say(self, *said):
        self.process.stdin.write("".join(f"{json.dumps(one)}\n" for one in said).encode())

    async def read(self, last_event_id=None, target="/events"):
        """The answer to a request for events, as soon as its head is there."""
        def ask():
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=SECONDS / 2)
            headers = {} if last_event_id is None else {"Last-Event-ID": last_event_id}
            connection.request("GET", target, headers=headers)
            return connection.getresponse()
        return await asyncio.to_thread(ask)


async def seen(response, count=None):
    """The next `count` events, or all up to the end of the stream."""
    def take():
        found = []
        for event in SSEClient(response).events():
            found.append((event.event, event.id, event.data))
            if len(found) == count:
                break
        return found
    return await asyncio.to_thread(take)


def numbered(first, last):
    return [("message", str(number), f"event {number}") for number in range(first, last + 1)]


def events(first, last):
    return [{"data": data} for _, _, data in numbered(first, last)]


async def feed_checks():
    async def check_feed(name, run):
        async def with_feed():
            async with example("feed", "127.0.0.1:0") as process:
                announced = await asyncio.wait_for(line(process.stdout), SECONDS)
                port = re.fullmatch(r"listening on http://127\.0\.0\.1:(\d+)/events\n", announced)[1]
                await run(Feed(process, int(port)))
        await check(f"feed: {name}", with_feed)

    async def head(feed):
        response = await feed.read()
        equal((response.status, response.version), (200, 11))
        equal(response.getheader("Content-Type"), "text/event-stream")
        equal(response.getheader("Cache-Control"), "no-store, no-transform")
        equal(response.getheader("Transfer-Encoding"), "chunked")
        equal(response.getheader("Content-Length"), None)
    await check_feed("the head comes at once, before any event", head)

    async def names(feed):
        response = await feed.read()
        feed.say({"data": "a"}, {"data": "b", "name": "news"}, {"data": "c", "name": "größe: 1"}, {"data": "d"})
        equal(await seen(response, 4), [("message", "1", "a"), ("news", "2", "b"), ("größe: 1", "3", "c"), ("message", "4", "d")])
    await check_feed("names and ids", names)

    def data(sent, expected=None):
        async def run(feed):
            response = await feed.read()
            feed.say({"data": sent}, {"data": "behind"})
            equal(await seen(response, 2), [("message", "1", sent if expected is None else expected), ("message", "2", "behind")])
        return run
    for what, *texts in (
        ("two lines", "one\ntwo"),
        ("empty lines before, between and behind", "\n\none\n\ntwo\n\n"),
        ("nothing", ""),
        ("lines that end in CR and in CRLF", "one\rtwo\r\nthree", "one\ntwo\nthree"),
        ("blanks before and behind", "  two spaces, a tab\t "),
        ("what looks like fields", "id: 9\nevent: other\nretry: 1\n: comment\ndata: x"),
        ("text beyond ASCII", "grüß dich, 世界 👋\u2028\u0085\ufeff"),
        ("half a MiB in a line", "x" * (MIB // 2)),
    ):
        await check_feed(f"data that is {what}", data(*texts))

    async def comments(feed):
        response = await feed.read()
        feed.say({"comment": "hush"}, {"data": "a"}, {"comment": "two\n\ndata: lines"}, {"data": "b"}, {"retry": 9}, {"data": "c"})
        equal([data for _, _, data in await seen(response, 3)], ["a", "b", "c"])
    await check_feed("comments and retry are no events", comments)

    async def order(feed):
        response = await feed.read()
        feed.say(*events(1, 1000), {"end": True})
        equal(await seen(response), numbered(1, 1000))
        equal(response.isclosed(), True)  # at its last chunk: else reading raises IncompleteRead
    await check_feed("1,000 events come in order, and the stream ends cleanly", order)

    async def resumed(feed):
        got, last = [], None
        for first in range(1, 30, 3):
            response = await feed.read(last)
            feed.say(*events(first, first + 1), {"end": True}, *events(first + 2, first + 2))
            got += await seen(response)
            last = got[-1][1]
        got += await seen(await feed.read(last), 1)
        equal(got, numbered(1, 30))
    await check_feed("over ten clean ends each event comes once, by Last-Event-ID", resumed)

    async def cut(feed):
        feed.say(*events(1, 30))
        got, last = [], None
        while len(got) < 30:
            response = await feed.read(last)
            got += await seen(response, 4 if len(got) < 28 else 2)
            last = got[-1][1]
            response.close()  # in the middle of it
        equal(got, numbered(1, 30))
    await check_feed("where the client hangs up it can resume", cut)

    async def unknown(feed):
        feed.say(*events(1, 2))
        for last in ("", "not ours", "-1", "1.5", "99999999999999999999"):
            equal(await seen(await feed.read(last), 2), numbered(1, 2))
    await check_feed("an id that is not the server's gets all", unknown)

    async def over(feed):
        response = await feed.read()
        feed.say({"data": "last"}, {"over": True})
        equal(await seen(response), [("message", "1", "last")])
        response = await feed.read("1")
        equal((response.status, response.read()), (204, b""))
    await check_feed("behind the last there is a 204", over)

    async def elsewhere(feed):
        equal((await feed.read(target="/")).status, 404)
    await check_feed("a 404 elsewhere", elsewhere)

    async def drained(feed):
        response = await feed.read()
        feed.say(*events(1, 50))
        feed.process.stdin.write_eof()
        equal(await seen(response), numbered(1, 50))
        equal(await feed.process.wait(), 0)
        with contextlib.suppress(ConnectionRefusedError):
            await feed.read()
            raise AssertionError("it still listens")
    await check_feed("a server that drains ends the stream cleanly, behind what was said", drained)


if __name__ == "__main__":
    checked(feed_checks)
