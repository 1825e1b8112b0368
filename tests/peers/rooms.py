"""The example `rooms`, for the checks in Python; over the HTTP client of the standard library.

EXAMPLES: the folder of the built examples.
"""
import asyncio
import contextlib
import http.client
import itertools
import json
import re
import urllib.parse

from check import SECONDS, check, equal, example, line

# a cursor of an epoch that no room has
FOREIGN = "1111111111111111-5"

numbers = itertools.count(1)


class Room:
    """A room that nobody was in yet, or the one at `path`. Its methods block."""

    def __init__(self, port, path=None):
        self.port, self.path = port, path or f"/rooms/peers-{next(numbers)}"

    def target(self, endpoint, **query):
        return f"{self.path}/{endpoint}?{urllib.parse.urlencode(query)}"

    def connect(self):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=SECONDS / 2)

    def ask(self, endpoint, headers=(), **query):
        """The answer to a GET, as soon as its head is there."""
        connection = self.connect()
        connection.request("GET", self.target(endpoint, **query), headers=dict(headers))
        return connection.getresponse()

    def page(self, **query):
        """A page of what was published."""
        with self.ask("messages", **query) as response:
            equal(response.status, 200)
            return json.load(response)

    def publish(self, *messages, client="counter"):
        """Publishes these, each a message id and data, over one connection; returns the answers."""
        answers = []
        with contextlib.closing(self.connect()) as connection:
            for message, data in messages:
                connection.request("POST", self.target("messages"), json.dumps({"client": client, "message": message, "data": data}))
                response = connection.getresponse()
                equal(response.status, 200)
                answers.append(json.load(response))
        return answers

    def count(self, first, last):
        """Publishes these numbers, one after the other."""
        self.publish(*((str(number), {"number": number}) for number in range(first, last + 1)))


def equal_counted(publications, first, last):
    """Checks that these are the publications of `count(first, last)` in a new room: each once, in order."""
    def fields(one):
        return int(one["id"][17:]), one["client"], one["message"], one["data"]
    equal([fields(one) for one in publications],
          [(number, "counter", str(number), {"number": number}) for number in range(first, last + 1)])
    equal(len({one["id"][:17] for one in publications}), 1)


@contextlib.asynccontextmanager
async def serving():
    """`check_room(name, run)` for rooms of a server that runs until the block is left."""
    async with example("rooms", "127.0.0.1:0") as process:
        announced = await asyncio.wait_for(line(process.stdout), SECONDS)
        port = int(re.fullmatch(r"rooms: open http://127\.0\.0\.1:(\d+)/\n", announced)[1])

        async def check_room(name, run):
            await check(f"rooms: {name}", lambda: run(Room(port)))
        yield check_room

        async def unharmed():
            equal(process.returncode, None)
            process.kill()
            await process.wait()
            equal((await process.stdout.read(), await process.stderr.read()), (b"", b""))
        await check("rooms: the server still ran, and printed nothing more", unharmed)
