"""permessage-deflate with Python `websockets`, as the client of `echo` and as the server of `client`, seen on the wire.

EXAMPLES: the folder of the built examples.
"""
import asyncio
import contextlib
import hashlib
import re

from websockets.asyncio.client import connect
from websockets.asyncio.server import serve
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory as Offer
from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory as Accept

from check import MIB, SECONDS, check, checked, equal, example, line
from websockets_peer import listening

NAME = "permessage-deflate"
NO_TAKEOVER = f"{NAME}; server_no_context_takeover; client_no_context_takeover"
LENGTHS = (0, 1, 63, 64, 125, 126, 511, 512, 1023, 1024, 4096, 32_767, 32_768, 32_769, 65_535, 65_536, 70_000, 0, 64)


def twofold(length):
    """Text that shrinks to about a half by itself, and to next to nothing where it can refer to an earlier message of it."""
    lines = (hashlib.sha512(b"%d" % number).hexdigest()[:84] * 2 for number in range(length // 168 + 1))
    return "".join(lines)[:length]


class Wire:
    """Passes one connection on to `port`, and keeps what passed each way: `up` is from the client."""

    def __init__(self):
        self.passed = {"up": bytearray(), "down": bytearray()}

    @contextlib.asynccontextmanager
    async def to(self, port):
        async def copy(reader, writer, way):
            with contextlib.suppress(OSError):
                while data := await reader.read(65_536):
                    self.passed[way] += data
                    writer.write(data)
                    await writer.drain()
            writer.close()

        async def connected(near_reader, near_writer):
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
            await asyncio.gather(copy(near_reader, far_writer, "up"), copy(far_reader, near_writer, "down"))

        server = await asyncio.start_server(connected, "127.0.0.1", 0)
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            server.close()

    def extensions(self, way):
        head = bytes(self.passed[way]).partition(b"\r\n\r\n")[0].decode()
        found = re.search(r"^sec-websocket-extensions: *(.*?)\r?$", head, re.I | re.M)
        return found and found[1]

    def frames(self, way):
        """(RSV1, payload length) of each data frame that is there whole."""
        rest = bytes(self.passed[way]).partition(b"\r\n\r\n")[2]
        found = []
        while len(rest) >= 2:
            short = rest[1] & 0x7F
            extended = {126: 2, 127: 8}.get(short, 0)
            header = 2 + extended + (4 if rest[1] & 0x80 else 0)
            length = int.from_bytes(rest[2:2 + extended], "big") if extended else short
            if len(rest) < header + length:
                break
            if rest[0] & 0x0F < 8:
                found.append((bool(rest[0] & 0x40), length))
            rest = rest[header + length:]
        return found

    def expect_takeover(self, way, length, kept):
        """Whether the second of two equal messages could refer to the first: `kept` says whether it should."""
        (first_compressed, first), (second_compressed, second) = self.frames(way)
        equal((first_compressed, second_compressed), (True, True))
        by_itself = range(length // 4, length * 7 // 10)
        if first not in by_itself or second not in (range(length // 10) if kept else by_itself):
            raise AssertionError(f"{way}: {first} and {second} of {length}, {'with' if kept else 'without'} takeover")


# --- websockets as the client of `echo` ---


@contextlib.asynccontextmanager
async def opened(url, *offers):
    """`websockets`, connected through a relay, offering what `offers` says."""
    wire = Wire()
    async with wire.to(int(url.rpartition(":")[2])) as port:
        options = {"extensions": offers} if offers else {}
        async with connect(f"ws://127.0.0.1:{port}", proxy=None, max_size=None, compression=None, **options) as socket:
            yield socket, wire
        equal(socket.close_code, 1000)


async def echoed(socket, message):
    await socket.send(message)
    equal(await socket.recv(), message)


async def echo_checks(kind, *options):
    async with listening(*options) as url:
        async def check_echo(name, run, *offers):
            async def checked():
                async with opened(url, *offers) as (socket, wire):
                    await run(socket, wire)
            await check(f"echo, {kind} states: {name}", checked)

        def seen(agreed, length, up_kept, down_kept):
            async def run(socket, wire):
                for _ in range(2):
                    await echoed(socket, twofold(length))
                equal(wire.extensions("down"), agreed)
                wire.expect_takeover("up", length, up_kept)
                wire.expect_takeover("down", length, down_kept)
            return run

        small = {"server_max_window_bits": 10, "client_max_window_bits": 9}, {"server_max_window_bits": 9, "client_max_window_bits": 10}
        bits = ["; ".join(f"{name}={value}" for name, value in windows.items()) for windows in small]
        offers = {
            "defaults": Offer(),
            "no takeover": Offer(server_no_context_takeover=True, client_no_context_takeover=True),
            "a small window of the client": Offer(**small[0]),
            "a small window of the server": Offer(**small[1]),
        }
        # What is agreed on, and where a message can refer to the one before: to one of 700 bytes with
        # windows of 1,024 (10 bits), not of 512; to one of 3,000 with the largest.
        rows = {
            "defaults": (NAME, 3000, True, True),
            # that the client offers to keep none is a hint; it may do so all the same
            "no takeover": (f"{NAME}; server_no_context_takeover", 3000, False, False),
            "a small window of the client": (f"{NAME}; {bits[0]}", 700, False, True),
            "a small window of the server": (f"{NAME}; {bits[1]}", 700, True, False),
        } if kind == "private" else {
            "defaults": (NO_TAKEOVER, 3000, False, False),
            "a small window of the server": (f"{NO_TAKEOVER}; {bits[1]}", 3000, False, False),
        }
        for name, row in rows.items():
            await check_echo(f"{name}, seen on the wire", seen(*row), offers[name])

        async def whole(socket, _wire):
            text = twofold(max(LENGTHS))
            for length in LENGTHS:
                await echoed(socket, text[:length])
                await echoed(socket, bytes([0xA5]) * length)
        for name, offer in offers.items():
            await check_echo(f"{name}: messages of all lengths come back whole", whole, offer)

        async def large(socket, wire):
            await echoed(socket, "the same line, again and again\n" * (MIB // 31))
            for way in ("up", "down"):
                frames = wire.frames(way)
                equal([compressed for compressed, _ in frames], [True] + [False] * (len(frames) - 1))
                if not 0 < sum(length for _, length in frames) < MIB // 50:
                    raise AssertionError(f"{way}: {frames}")
        await check_echo("1 MiB of like lines is a fraction of it on the wire", large, Offer())

        async def fragmented(socket, _wire):
            text = twofold(9000)
            await socket.send([text[:3000], "", text[3000:]])
            equal(await socket.recv(), text)
            await echoed(socket, text)
        await check_echo("a compressed message in fragments", fragmented, Offer())

        async def plain(socket, wire):
            await echoed(socket, "x" * 3000)
            for way in ("up", "down"):
                equal(wire.frames(way), [(False, 3000)])
            equal(wire.extensions("down"), None)
        await check_echo("no compression where it is not offered", plain)
        await check_echo("an offer that cannot be met is declined, and the connection opens", plain, Offer(server_max_window_bits=8))

        async def second_offer(socket, wire):
            await echoed(socket, twofold(3000))
            equal(wire.extensions("down").endswith("; server_max_window_bits=9"), True)
            equal([compressed for compressed, _ in wire.frames("down")], [True])
        await check_echo("of two offers the first is taken that can be met", second_offer,
                         Offer(server_max_window_bits=8), Offer(server_max_window_bits=9))


# --- websockets as the server of `client` ---


async def client_checks():
    async def with_client(run, *extensions):
        arrived, done = asyncio.get_running_loop().create_future(), asyncio.Event()

        async def handler(socket):
            arrived.set_result(socket)
            await done.wait()

        options = {"extensions": extensions} if extensions else {}
        async with serve(handler, "127.0.0.1", 0, max_size=None, close_timeout=2, compression=None, **options) as server:
            wire = Wire()
            async with wire.to(server.sockets[0].getsockname()[1]) as port, example("client", f"ws://127.0.0.1:{port}/") as client:
                try:
                    await run(client, await asyncio.wait_for(arrived, SECONDS / 2), wire)
                finally:
                    done.set()

    async def check_client(name, run, *extensions):
        await check(f"client: {name}", lambda: with_client(run, *extensions))

    async def exchanged(client, socket, text):
        client.stdin.write(text.encode() + b"\n")
        equal(await socket.recv(), text)
        await socket.send(text)
        equal(await line(client.stdout), text + "\n")

    def seen(agreed, length, up_kept, down_kept):
        async def run(client, socket, wire):
            for _ in range(2):
                await exchanged(client, socket, twofold(length))
            equal(wire.extensions("up"), f"{NAME}; client_max_window_bits")
            equal(wire.extensions("down"), agreed)
            wire.expect_takeover("up", length, up_kept)
            wire.expect_takeover("down", length, down_kept)
        return run

    async def whole(client, socket, _wire):
        text = twofold(max(LENGTHS))
        for length in LENGTHS:
            await exchanged(client, socket, text[:length])

    bits = "server_max_window_bits={}; client_max_window_bits={}".format
    for name, accept, row in (
        ("defaults", Accept(), (NAME, 3000, True, True)),
        ("no takeover", Accept(server_no_context_takeover=True, client_no_context_takeover=True), (NO_TAKEOVER, 3000, False, False)),
        ("a small window of the client", Accept(server_max_window_bits=10, client_max_window_bits=9),
         (f"{NAME}; {bits(10, 9)}", 700, False, True)),
        ("a small window of the server", Accept(server_max_window_bits=9, client_max_window_bits=10),
         (f"{NAME}; {bits(9, 10)}", 700, True, False)),
    ):
        await check_client(f"{name}, seen on the wire", seen(*row), accept)
        await check_client(f"{name}: lines of all lengths arrive whole, both ways", whole, accept)

    async def plain(client, socket, wire):
        await exchanged(client, socket, "x" * 3000)
        equal(wire.extensions("down"), None)
        for way in ("up", "down"):
            equal(wire.frames(way), [(False, 3000)])
    await check_client("no compression where the server has none", plain)


async def main():
    await echo_checks("shared")
    await echo_checks("private", "--private")
    await client_checks()


checked(main)
