"""Python `sseclient-py` reads rooms of the example `rooms`, over the HTTP client of the standard library.

EXAMPLES: the folder of the built examples.
"""
import asyncio
import json

from sseclient import SSEClient

from check import checked, equal
from rooms import FOREIGN, equal_counted, serving


def read(room, count, last_event_id=None, **query):
    """The events of a room up to its publication number `count` of this connection, which is dropped behind it."""
    headers = {} if last_event_id is None else {"Last-Event-ID": last_event_id}
    found = []
    with room.ask("events", headers, **query) as response:
        equal((response.status, response.getheader("Content-Type")), (200, "text/event-stream"))
        for event in SSEClient(response).events():
            found.append((event.event, event.id, json.loads(event.data)))
            if len(publications(found)) == count:
                return found
    raise AssertionError(f"the stream ended behind {found}")


def publications(events):
    return [data for name, _, data in events if name == "message"]


def others(events):
    return [(name, data) for name, _, data in events if name not in ("message", "here")]


async def room_checks():
    async with serving() as check_room:
        def check_read(name, run):
            return check_room(name, lambda room: asyncio.to_thread(run, room))

        def history(room):
            room.count(1, 5)
            events = read(room, 5)
            epoch = room.page()["epoch"]
            equal_counted(publications(events), 1, 5)
            equal(others(events), [("place", {"id": f"{epoch}-0"})])
            for name, id, data in events:
                if name != "here":
                    equal(id, data["id"])
        await check_read("place, then history, each with its id", history)

        async def live(room):
            readers = [asyncio.create_task(asyncio.to_thread(read, room, 200)) for _ in range(3)]
            await asyncio.to_thread(room.count, 1, 200)
            for reader in readers:
                equal_counted(publications(await reader), 1, 200)
        await check_room("what is published meanwhile comes once, in order", live)

        def named(room):
            with room.ask("events", client="ann", state='{"name": "Änn"}') as response:
                for event in SSEClient(response).events():
                    if event.event == "here" and json.loads(event.data)["count"] == 1:
                        equal(json.loads(event.data)["here"], [{"client": "ann", "state": {"name": "Änn"}}])
                        return
            raise AssertionError("the stream ended")
        await check_read("it is told that it is here itself", named)

        async def resumed(room):
            counting = asyncio.create_task(asyncio.to_thread(room.count, 1, 100))
            seen, last = [], None
            while len(seen) < 100:
                events = await asyncio.to_thread(read, room, 10, last)
                equal([name for name, _ in others(events)], ["place"])
                if last is not None:
                    equal(events[0][1], last)
                seen += publications(events)
                last = events[-1][1]
            await counting
            equal_counted(seen, 1, 100)
        await check_room("over ten dropped connections each comes once, by Last-Event-ID", resumed)

        def wins(room):
            room.count(1, 5)
            first = room.page()["messages"][0]["id"]
            for query in ({"after": "end"}, {"after": FOREIGN}):
                events = read(room, 4, first, **query)
                equal(others(events), [("place", {"id": first})])
                equal_counted(publications(events), 2, 5)
        await check_read("Last-Event-ID wins over after", wins)

        def gap(room):
            room.count(1, 3)
            epoch = room.page()["epoch"]
            for last in (FOREIGN, f"{epoch}-4", f"{epoch}-99999999999999999999", "not ours", "-1"):
                events = read(room, 3, last)
                equal(others(events), [("gap", {"id": f"{epoch}-0", "gap": {"epoch": epoch, "first": 1, "last": 3}})])
                equal(events[0][1], f"{epoch}-0")
                equal_counted(publications(events), 1, 3)
        await check_read("an id that is not the room's, or not yet, is a gap, then comes what is left", gap)

        def evicted(room):
            room.count(1, 1)
            long = "x" * 60_000  # a room keeps a MiB
            room.publish(*((str(number), long) for number in range(2, 22)))
            page = room.page()
            epoch, first = page["epoch"], page["first"]
            events = read(room, 22 - first, f"{epoch}-1")
            equal(others(events), [("gap", {"id": f"{epoch}-{first - 1}", "gap": {"epoch": epoch, "first": first, "last": 21}})])
            equal([int(one["message"]) for one in publications(events)], list(range(first, 22)))
        await check_read("what fell out is a gap, then comes what is left", evicted)

        def data(room):
            sent = ["grüß dich, 世界 👋\u2028\u0085", "two\nlines\r\n", "data: x\n\nid: 9", "\0", {"a": [1, None]}]
            room.publish(*((str(number), data) for number, data in enumerate(sent)))
            equal([one["data"] for one in publications(read(room, len(sent)))], sent)
        await check_read("data of any text comes back as it is", data)


checked(room_checks)
