"""Python `websockets` in rooms of the example `rooms`, with permessage-deflate offered.

EXAMPLES: the folder of the built examples.
"""
import asyncio
import json

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from check import checked, equal
from rooms import FOREIGN, equal_counted, serving


def join(room, compression="deflate", **query):
    url = f"ws://127.0.0.1:{room.port}{room.target('socket', **query)}"
    # with a limit on what it queues it would stop reading, and miss the server's Close behind what is unread
    return connect(url, proxy=None, compression=compression, max_queue=None)


async def tell(socket, **fields):
    await socket.send(json.dumps(fields))


async def take(socket, name, count, others=None):
    """The next `count` objects that have `name`; `others` gets what came before and between."""
    found = []
    async for text in socket:
        value = json.loads(text)
        if name in value:
            found.append(value)
            if len(found) == count:
                return found
        elif others is not None:
            others.append(value)
    raise AssertionError(f"it closed behind {found}")


async def count(room, first, last):
    await asyncio.to_thread(room.count, first, last)


async def page(room):
    return await asyncio.to_thread(room.page)


async def closed_with(socket, code):
    try:
        async for _ in socket:
            pass
    except ConnectionClosed:
        pass
    equal(socket.close_code, code)


async def reading_checks(check_room):
    def history(compression):
        async def run(room):
            await count(room, 1, 5)
            async with join(room, compression) as socket:
                others = []
                seen = await take(socket, "data", 5, others)
                equal(others, [{"id": f"{seen[0]['id'][:16]}-0"}])
                equal(await take(socket, "here", 1), [{"here": [], "count": 0}])
                await count(room, 6, 8)
                equal_counted(seen + await take(socket, "data", 3), 1, 8)
            equal(socket.close_code, 1000)
        return run
    for what, compression in (("compression offered", "deflate"), ("no compression", None)):
        await check_room(f"with {what}: place, history, then what is live", history(compression))

    async def resumed(room):
        seen, query = [], {}
        for first in range(1, 41, 4):
            async with join(room, **query) as socket:
                await count(room, first, first + 1)
                others = []
                seen += await take(socket, "data", 4 if query else 2, others)
                equal([one for one in others if "gap" in one], [])
                if query:
                    equal(others[0], {"id": query["after"]})
                socket.transport.abort()
            query = {"after": seen[-1]["id"]}
            await count(room, first + 2, first + 3)  # while it is away
        equal_counted(seen, 1, 38)
    await check_room("over ten dropped connections each comes once, by after", resumed)

    async def gap(room):
        await count(room, 1, 3)
        async with join(room, after=FOREIGN) as socket:
            others = []
            equal_counted(await take(socket, "data", 3, others), 1, 3)
        epoch = (await page(room))["epoch"]
        equal([one for one in others if "here" not in one], [{"id": f"{epoch}-0", "gap": {"epoch": epoch, "first": 1, "last": 3}}])
    await check_room("a cursor of another epoch is a gap, then comes what is left", gap)

    async def state(room):
        async with join(room, client="ann", state='{"name": "Änn"}') as ann, join(room, client="bob") as bob:
            async def until_here(*states):
                while [one["state"] for one in (await take(ann, "here", 1))[0]["here"]] != list(states):
                    pass
            await until_here({"name": "Änn"}, None)
            await tell(bob, state=["typing"])
            await until_here({"name": "Änn"}, ["typing"])
    await check_room("who is here, with what they say of themselves, as it changes", state)


async def speaking_checks(check_room):
    async def published(room):
        async with join(room, client="ann") as ann, join(room, client="bob") as bob:
            data = {"text": "grüß dich, 世界 👋\u2028\u0000", "list": [1, -2500.0, None, True, {}]}
            await tell(ann, message="m", data=data)
            (seen,) = await take(bob, "data", 1)
            equal(seen, {"id": seen["id"], "at": seen["at"], "client": "ann", "message": "m", "data": data})
            (ack,) = await take(ann, "ack", 1)
            equal(ack, {"ack": "m", "id": seen["id"], "new": True})
            await tell(ann, message="m", data=data)
            equal(await take(ann, "ack", 1), [{**ack, "new": False}])
        equal((await page(room))["messages"], [seen])
    await check_room("what it publishes is acknowledged and seen, a repeat is not new", published)

    async def order(room):
        async with join(room, client="ann") as ann, join(room) as bob:
            for number in range(300):
                await tell(ann, message=str(number), data=number)
            equal([one["ack"] for one in await take(ann, "ack", 300)], [str(number) for number in range(300)])
            equal([one["data"] for one in await take(bob, "data", 300)], list(range(300)))
    await check_room("300 at once are acknowledged and seen in order", order)

    async def fragmented(room):
        async with join(room, client="ann") as socket:
            await socket.send(['{"message":"m",', "", '"data":"in fragments"}'])
            await (await socket.ping())
            equal((await take(socket, "data", 1))[0]["data"], "in fragments")
    await check_room("a message in fragments is published", fragmented)

    async def refused(room):
        async with join(room, client="ann") as socket:
            await tell(socket, message="big", data="x" * 70_000)
            await tell(socket, message="none")
            got = [(one["refused"], one["status"]) for one in await take(socket, "refused", 2)]
            equal(got, [("big", 413), ("none", 400)])
            await tell(socket, message="small", data="x" * 60_000)
            equal([one["ack"] for one in await take(socket, "ack", 1)], ["small"])
    await check_room("what is too big is refused with 413, what is no data with 400, and the socket lives on", refused)

    def closes(message, code):
        async def run(room):
            async with join(room, client="ann") as socket:
                await socket.send(message)
                await closed_with(socket, code)
            equal((await page(room))["messages"], [])
        return run
    await check_room("binary is 1003", closes(b'{"message":"m","data":1}', 1003))
    for text in ("", "nonsense", "[]", "{}", '{"message":"m","data":NaN}'):
        await check_room(f"nonsense is 1007: {text!r}", closes(text, 1007))

    async def upgrades(room):
        for path, status in ((room.target("socket", client="no blanks"), 400), ("/rooms/no%20room/socket", 404), ("/rooms/a/b", 404)):
            try:
                async with connect(f"ws://127.0.0.1:{room.port}{path}", proxy=None):
                    raise AssertionError(f"{path} opened")
            except InvalidStatus as error:
                equal(error.response.status_code, status)
    await check_room("refusals of the upgrade: no such client, no such room, no socket", upgrades)


async def room_checks():
    async with serving() as check_room:
        await reading_checks(check_room)
        await speaking_checks(check_room)


checked(room_checks)
