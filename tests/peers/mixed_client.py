"""A client of a room for mixed_rooms.mjs: with `websockets`, or by long polls with `http.client`.

    mixed_client.py TRANSPORT PORT PATH CLIENT OWN TOTAL

It says "ready" when it reads the room, publishes OWN messages when it is told a line, and prints
the publications when it has TOTAL.
"""
import asyncio
import json
import sys
import threading

from websockets.asyncio.client import connect

from rooms import Room


def ready():
    print("ready", flush=True)
    sys.stdin.readline()


def messages(client, own):
    return [(f"{client}-{number}", f"{client} {number}") for number in range(own)]


async def by_websockets(room, client, own, total):
    found = []
    async with connect(f"ws://127.0.0.1:{room.port}{room.target('socket', client=client)}", proxy=None) as socket:
        async def publish():
            await asyncio.to_thread(ready)
            for message, data in messages(client, own):
                await socket.send(json.dumps({"message": message, "data": data}))
        publishing = asyncio.create_task(publish())
        while len(found) < total:
            value = json.loads(await socket.recv())
            if "data" in value:
                found.append(value)
        await publishing
    return found


async def by_long_polls(room, client, own, total):
    def publish():
        ready()
        room.publish(*messages(client, own), client=client)

    threading.Thread(target=publish, daemon=True).start()
    found, query = [], {}
    while len(found) < total:
        page = await asyncio.to_thread(room.page, client=client, wait=10, **query)
        found += page["messages"]
        query = {"after": page["cursor"]}
    return found


transport, port, path, client, own, total = sys.argv[1:]
run = {"websockets": by_websockets, "long-polls": by_long_polls}[transport]
print(json.dumps(asyncio.run(run(Room(int(port), path), client, int(own), int(total)))))
