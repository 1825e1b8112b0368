"""The examples against Python `websockets`: as the client of `echo`, and as the server of `client`.

EXAMPLES: the folder of the built examples.
"""
import asyncio
import contextlib
import re

from websockets.asyncio.client import connect
from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed

from check import MIB, SECONDS, check, checked, equal, example, line


# --- websockets as the client of `echo` ---


async def echo_checks(url):
    def opened(target="", **options):
        return connect(url + target, proxy=None, max_size=None, **options)

    async def echoed(socket, message):
        await socket.send(message)
        equal(await socket.recv(), message)

    def message(content, **options):
        async def run():
            async with opened(**options) as socket:
                await echoed(socket, content)
            equal(socket.close_code, 1000)
        return run

    await check("echo: text", message("grüß dich, 世界 👋"))
    await check("echo: binary", message(b"\x00\xff\x80"))
    await check("echo: empty text", message(""))
    await check("echo: empty binary", message(b""))
    await check("echo: text of 1 MiB", message("x" * MIB))
    await check("echo: binary of 1 MiB", message(bytes(MIB)))
    await check("echo: without an offer of compression", message("plain", compression=None))

    async def fragmented():
        async with opened() as socket:
            await socket.send(["grü", "", "ße"])
            equal(await socket.recv(), "grüße")
            await socket.send([b"\x00", b"\xff"])
            equal(await socket.recv(), b"\x00\xff")
    await check("echo: fragmented messages", fragmented)

    async def ping():
        async with opened() as socket:
            for payload in (b"", b"p" * 125):
                await (await socket.ping(payload))  # the pong must bear the same payload
            await socket.pong(b"unasked")
            await echoed(socket, "still here")
    await check("echo: pings, and an unasked pong", ping)

    async def subprotocol():
        async with opened(subprotocols=["chat", "superchat"]) as socket:
            equal(socket.subprotocol, None)
            equal("Sec-WebSocket-Protocol" in socket.response.headers, False)
            await echoed(socket, "without one")
    await check("echo: a subprotocol that is not served is left out, and the connection opens", subprotocol)

    async def elsewhere():
        async with opened("/any/path?with=query", origin="https://elsewhere.example") as socket:
            await echoed(socket, "from elsewhere")
    await check("echo: any path, any Origin", elsewhere)

    async def order():
        async with opened() as socket:
            for number in range(200):
                await socket.send(str(number))
            for number in range(200):
                equal(await socket.recv(), str(number))
    await check("echo: 200 messages at once come back in order", order)

    def close(code, reason):
        async def run():
            async with opened() as socket:
                await socket.close(code, reason)
                equal(socket.protocol.close_rcvd.code, code)
        return run
    for code, reason in ((1000, ""), (1001, "going away"), (4000, "ours: ü")):
        await check(f"echo: answers a close {code} {reason!r}", close(code, reason))

    async def broken():
        async with opened() as socket:
            socket.transport.write(bytes([0x81, 0x01, 0x61]))  # unmasked
            with contextlib.suppress(ConnectionClosed):
                await socket.recv()
            equal(socket.protocol.close_rcvd.code, 1002)
    await check("echo: an unmasked frame is 1002", broken)


# --- websockets as the server of `client` ---


async def client_checks():
    async def with_client(run, **options):
        """`client`, connected to a server that has this one connection."""
        arrived, done = asyncio.get_running_loop().create_future(), asyncio.Event()

        async def handler(socket):
            arrived.set_result(socket)
            await done.wait()

        async with serve(handler, "127.0.0.1", 0, max_size=None, close_timeout=2, **options) as server:
            port = server.sockets[0].getsockname()[1]
            async with example("client", f"ws://127.0.0.1:{port}/") as client:
                try:
                    await run(client, await asyncio.wait_for(arrived, SECONDS / 2))
                finally:
                    done.set()

    async def check_client(name, run, **options):
        await check(f"client: {name}", lambda: with_client(run, **options))

    async def ask(_client, socket):
        headers = socket.request.headers
        equal(headers["Host"], "127.0.0.1:%d" % socket.local_address[1])
        equal(headers["Sec-WebSocket-Version"], "13")
        equal("Sec-WebSocket-Protocol" in headers, False)
    await check_client("asks as it should, with no subprotocol", ask)

    async def lines(client, socket):
        client.stdin.write("one\ngrüß dich, 世界 👋\n\n".encode() + b"y" * MIB + b"\n")
        for expected in ("one", "grüß dich, 世界 👋", "", "y" * MIB):
            equal(await socket.recv(), expected)
    await check_client("sends lines as text", lines)

    async def prints(client, socket):
        await socket.send("grüß dich")
        equal(await line(client.stdout), "grüß dich\n")
        await socket.send("z" * MIB)
        equal(await line(client.stdout), "z" * MIB + "\n")
        await socket.send(["frag", "", "mented"])
        equal(await line(client.stdout), "fragmented\n")
    await check_client("prints short, large and fragmented text", prints)
    await check_client("prints the same where the server does not compress", prints, compression=None)

    async def ping(_client, socket):
        for payload in (b"", b"p" * 125):
            await (await socket.ping(payload))
    await check_client("answers pings", ping)

    def close(code, reason, status):
        async def run(client, socket):
            await socket.close(code, reason)
            equal(await client.wait(), status)
            equal(socket.protocol.close_rcvd.code, code)
            said = (await client.stderr.read()).decode()
            if str(code) not in said or reason not in said:
                raise AssertionError(f"standard error has {said!r}")
        return run
    for code, reason, status in ((1000, "done", 0), (1001, "going away", 1), (1011, "broken", 1), (4000, "ours: ü", 1)):
        await check_client(f"a close {code} {reason!r} ends it with {status}", close(code, reason, status))

    async def end_of_input(client, socket):
        client.stdin.write(b"last\n")
        client.stdin.write_eof()
        equal(await socket.recv(), "last")
        equal(await client.wait(), 0)
        await socket.wait_closed()
        equal(socket.protocol.close_rcvd.code, 1000)
    await check_client("the end of standard input closes with 1000", end_of_input)

    async def dropped(client, socket):
        socket.transport.abort()
        equal(await client.wait(), 1)
        if not await client.stderr.read():
            raise AssertionError("standard error is empty")
    await check_client("a connection that drops ends it with 1", dropped)


@contextlib.asynccontextmanager
async def listening(*options):
    """The URL of an `echo` that runs until the block is left."""
    async with example("echo", *options, "127.0.0.1:0") as echo:
        announced = await asyncio.wait_for(line(echo.stdout), SECONDS)
        yield re.fullmatch(r"listening on (ws://127\.0\.0\.1:\d+)\n", announced)[1]


async def main():
    async with listening() as url:
        await echo_checks(url)
    await client_checks()


if __name__ == "__main__":
    checked(main)
