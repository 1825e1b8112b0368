"""The HTTP clients of Python's standard library in rooms of the example `rooms`: `http.client` and `urllib`.

EXAMPLES: the folder of the built examples.
"""
import asyncio
import contextlib
import http.client
import json
import time
import urllib.error
import urllib.request

from check import SECONDS, checked, equal
from rooms import FOREIGN, equal_counted, serving


@contextlib.contextmanager
def kept(room):
    """A connection that must be kept: it is not opened again."""
    with contextlib.closing(room.connect()) as connection:
        connection.connect()
        connection.auto_open = 0
        yield connection


def asked(connection, method, target, body=None, **headers):
    connection.request(method, target, body, headers)
    response = connection.getresponse()
    return response, response.read()


def polled(room, total, **query):
    """Polls on over one connection until there are so many publications."""
    found = []
    with kept(room) as connection:
        while len(found) < total:
            response, body = asked(connection, "GET", room.target("messages", **query))
            equal(response.status, 200)
            page = json.loads(body)
            equal(page["gap"], False)
            found += page["messages"]
            query["after"] = page["cursor"]
    return found


def streamed(room, total):
    """The publications of the stream of lines."""
    found = []
    with room.ask("stream") as response:
        equal((response.status, response.getheader("Content-Type")), (200, "application/x-ndjson"))
        for text in response:
            if text.strip() and "data" in (value := json.loads(text)):
                found.append(value)
                if len(found) == total:
                    return found
    raise AssertionError("the stream ended")


async def counted_meanwhile(room, total, *readers):
    """Runs these functions in threads while `total` numbers are published; each must see all of them once, in order."""
    tasks = [asyncio.create_task(asyncio.to_thread(*reader)) for reader in readers]
    await asyncio.to_thread(room.count, 1, total)
    for task in tasks:
        equal_counted(await task, 1, total)


async def reading_checks(check_room, check_asked):
    def hundred(room):
        room.count(1, 3)
        with kept(room) as connection:
            address = connection.sock.getsockname()
            for number in range(100):
                response, body = asked(connection, "GET", room.target("messages"))
                equal((response.version, response.status), (11, 200))
                equal(response.getheader("Cache-Control"), "no-store")
                equal_counted(json.loads(body)["messages"], 1, 3)
            equal(connection.sock.getsockname(), address)
    await check_asked("one connection is kept for 100 polls", hundred)

    def pages(room):
        room.count(1, 250)
        equal_counted(polled(room, 250), 1, 250)
    await check_asked("polls go through the pages", pages)
    await check_room("poll loops while others publish have each once, in order",
                     lambda room: counted_meanwhile(room, 150, *[(polled, room, 150)] * 2))

    def long_polled(room):
        return polled(room, 100, wait=15)
    await check_room("long poll loops while others publish have each once, in order",
                     lambda room: counted_meanwhile(room, 100, *[(long_polled, room)] * 3))

    def timed_out(room):
        room.count(1, 1)
        with kept(room) as connection:
            for _ in range(2):
                begun = time.monotonic()
                response, body = asked(connection, "GET", room.target("messages", after="end", wait=1))
                equal((response.status, json.loads(body)), (200, {**room.page(), "messages": []}))
                if time.monotonic() - begun < 0.9:
                    raise AssertionError("it did not wait")
    await check_asked("a long poll whose time is up has an empty list, and its connection is kept", timed_out)

    await check_room("the stream of lines while others publish has each once, in order",
                     lambda room: counted_meanwhile(room, 200, *[(streamed, room, 200)] * 2))


async def posting_checks(check_asked):
    def mixed(room):
        with kept(room) as connection:
            for number in range(1, 31):
                body = json.dumps({"client": "counter", "message": str(number), "data": {"number": number}})
                response, answer = asked(connection, "POST", room.target("messages"), body)
                equal((response.status, json.loads(answer)["new"]), (200, True))
                head, nothing = asked(connection, "HEAD", room.target("messages"))
                response, page = asked(connection, "GET", room.target("messages"))
                equal((head.status, nothing), (200, b""))
                equal(head.getheaders(), response.getheaders())
                equal_counted(json.loads(page)["messages"], 1, number)
                state, _ = asked(connection, "POST", room.target("here"), '{"client":"counter","state":1}')
                equal(state.status, 204)
                held, page = asked(connection, "GET", room.target("messages", after=FOREIGN, wait=15))
                equal((held.status, json.loads(page)["gap"]), (200, True))
    await check_asked("POST, HEAD, GET and polls that need not wait share one connection", mixed)

    def idempotent(room):
        first, *repeats = room.publish(*[("m", "once")] * 10, client="ann")
        equal(first["new"], True)
        equal(repeats, [{"id": first["id"], "new": False}] * 9)
        equal([one["data"] for one in room.page()["messages"]], ["once"])
    await check_asked("what is posted again has the same id, and is stored once", idempotent)

    def chunked(room):
        with kept(room) as connection:
            parts = iter([b'{"client":"ann",', b'"message":"m",', '"data":"grüß dich"}'.encode()])
            response, answer = asked(connection, "POST", room.target("messages"), parts)  # it has no length to announce
            equal((response.status, json.loads(answer)["new"]), (200, True))
            _, page = asked(connection, "GET", room.target("messages"))
            equal([one["data"] for one in json.loads(page)["messages"]], ["grüß dich"])
    await check_asked("a chunked body is published, and its connection is kept", chunked)

    def by_urllib(room):
        url = f"http://127.0.0.1:{room.port}"
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

        def opened(target, data=None):
            with opener.open(url + target, data, timeout=SECONDS / 2) as response:
                return json.load(response)
        answer = opened(room.target("messages"), b'{"client":"ann","message":"m","data":[1,null]}')
        page = opened(room.target("messages"))
        equal([(one["id"], one["data"]) for one in page["messages"]], [(answer["id"], [1, None])])
        equal(opened(room.target("messages", after=page["cursor"]))["messages"], [])
        equal(opened(room.target("here")), {"here": [], "count": 0})
        for target, data, status in (
            (room.target("messages"), b"{", 400), (room.target("messages", wait="long"), None, 400),
            ("/rooms/no%20room/messages", None, 404), (room.target("messages"), b'"' + b"x" * 2_000_000 + b'"', 413),
        ):
            try:
                opened(target, data)
                raise AssertionError(f"{target} was answered")
            except urllib.error.HTTPError as error:
                equal((error.code, error.headers.get_content_type()), (status, "text/plain"))
    await check_asked("urllib publishes and polls, and sees refusals", by_urllib)


async def room_checks():
    async with serving() as check_room:
        def check_asked(name, run):
            return check_room(name, lambda room: asyncio.to_thread(run, room))
        await reading_checks(check_room, check_asked)
        await posting_checks(check_asked)


checked(room_checks)
