#!/usr/bin/env python3
"""Weighs the echo servers of this folder: their crates, their bytes, the time to build them.

usage: measure.py [--check]

Prints a table in Markdown. With --check it measures talkback alone, against the ceilings below, and fails
if one is exceeded. Each server is built in a folder of its own that is removed afterwards; each has to
echo before its figures count.
"""
import argparse
import base64
import contextlib
import dataclasses
import hashlib
import os
import pathlib
import re
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import time

# What talkback may cost, with its default features.
MAX_CRATES = 16  # itself counted
MAX_BYTES = 790_000  # stripped; 757,416 were measured
MAX_CPU_SECONDS = 40  # of the fastest build; 16 were measured, on a machine that was busy

CHECK_BUILDS = 3  # at most: the first below the ceiling is enough
TABLE_BUILDS = 2  # the faster one counts

BUILD_SECONDS = 1200
FETCH_SECONDS = 600
ANSWER_SECONDS = 10

HERE = pathlib.Path(__file__).resolve().parent
LTO = {"CARGO_PROFILE_RELEASE_LTO": "fat", "CARGO_PROFILE_RELEASE_CODEGEN_UNITS": "1"}
# The profile and the flags are those of the packages, whatever is set outside.
SETTINGS = re.compile(r"RUSTFLAGS$|RUSTC|CARGO_(BUILD|ENCODED|INCREMENTAL|PROFILE|TARGET|UNSTABLE)")
ENVIRONMENT = {name: value for name, value in os.environ.items() if not SETTINGS.match(name)}


class Failure(Exception):
    """What could not be measured, and why."""


@dataclasses.dataclass
class Server:
    """A package, and how it is built."""

    folder: str
    name: str = ""
    features: tuple = ()
    websocket: bool = True

    def cargo(self, command, *arguments, seconds=FETCH_SECONDS, environment=None):
        """What a command of cargo prints."""
        manifest = HERE / self.folder / "Cargo.toml"
        argv = ["cargo", command, "--locked", "--manifest-path", manifest, *arguments]
        with tempfile.TemporaryFile("w+") as log:
            process = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, text=True,
                env={**ENVIRONMENT, **(environment or {})}, start_new_session=True)
            try:
                output, _ = process.communicate(timeout=seconds)
            except BaseException as error:
                os.killpg(process.pid, signal.SIGKILL)  # cargo, and the compilers that it started
                process.wait()
                if isinstance(error, subprocess.TimeoutExpired):
                    raise Failure(f"{self.folder}: cargo {command} took more than {seconds} s") from error
                raise
            log.seek(0)
            if process.returncode != 0:
                raise Failure(f"{self.folder}: cargo {command} failed:\n{log.read()[-4000:]}")
        return output

    def crates(self):
        """The crates that are linked or run as macros, as `name vVERSION`, without the server itself."""
        tree = self.cargo("tree", "--offline", "--edges", "normal", "--prefix", "none", *self.features)
        rows = {" ".join(line.split()[:2]) for line in tree.splitlines() if line.strip()}
        return rows - {"echo v0.0.0"}

    @contextlib.contextmanager
    def built(self, environment=None):
        """A clean build: the binary, and the CPU seconds of all processes that made it."""
        with tempfile.TemporaryDirectory(prefix="footprint-") as target:
            before = cpu_seconds()
            self.cargo(
                "build", "--release", "--offline", "--jobs", "2", "--target-dir", target, *self.features,
                seconds=BUILD_SECONDS, environment=environment)
            yield pathlib.Path(target) / "release" / "echo", cpu_seconds() - before


SERVERS = [
    Server("talkback"),
    Server("talkback", "talkback, no features", ("--no-default-features",)),
    Server("tungstenite"),
    Server("tokio-websockets"),
    Server("soketto"),
    Server("wtx"),
    Server("fastwebsockets"),
    Server("sockudo-ws"),
    Server("yawc"),
    Server("std", "no WebSocket: std alone", websocket=False),
]


def cpu_seconds():
    """Of the processes that were started and have ended, and of those that they waited for."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


class Connection:
    """A client that knows just enough to tell whether it is echoed."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), ANSWER_SECONDS)
        self.socket.settimeout(ANSWER_SECONDS)
        self.reader = self.socket.makefile("rb")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.reader.close()
        self.socket.close()

    def upgrade(self, extensions=None):
        """Does the handshake, and returns the fields of the response."""
        key = base64.b64encode(os.urandom(16)).decode()
        lines = [
            "GET / HTTP/1.1", f"Host: 127.0.0.1:{self.socket.getpeername()[1]}", "Upgrade: websocket",
            "Connection: Upgrade", f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13",
        ]
        if extensions:
            lines.append(f"Sec-WebSocket-Extensions: {extensions}")
        self.socket.sendall("\r\n".join([*lines, "", ""]).encode())
        status = self.reader.readline().decode()
        if not status.startswith("HTTP/1.1 101 "):
            raise Failure(f"answered {status!r} to the handshake")
        fields = {}
        while line := self.reader.readline().decode().strip():
            name, _, value = line.partition(":")
            fields[name.lower()] = value.strip()
        accept = hashlib.sha1(key.encode() + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()
        if fields.get("sec-websocket-accept") != base64.b64encode(accept).decode():
            raise Failure("answered the handshake with another key")
        return fields

    def send(self, opcode, payload):
        mask = os.urandom(4)
        masked = bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))
        self.socket.sendall(bytes([0x80 | opcode, 0x80 | len(payload)]) + mask + masked)

    def receive(self):
        """The first byte of the next frame, and its payload; `None` if the connection ended."""
        try:
            header = self.reader.read(2)
            return (header[0], self.reader.read(header[1])) if len(header) == 2 else None
        except ConnectionError:
            return None


def probe_websocket(port):
    """Whether the server compresses. It must echo text and bytes, and not what isn't UTF-8."""
    with Connection(port) as connection:
        connection.upgrade()
        for opcode, payload in [(1, b"hello"), (2, b"\x00\xff")]:
            connection.send(opcode, payload)
            answer = connection.receive()
            if answer != (0x80 | opcode, payload):
                raise Failure(f"answered {answer} to {payload}")
        connection.send(1, b"\xff")
        answer = connection.receive()
        if answer is not None and answer[0] != 0x88:
            raise Failure(f"answered {answer} to text that isn't UTF-8")
    with Connection(port) as connection:
        return "permessage-deflate" in connection.upgrade("permessage-deflate").get("sec-websocket-extensions", "")


def probe_tcp(port):
    with Connection(port) as connection:
        connection.socket.sendall(b"hello")
        answer = connection.reader.read(5)
        if answer != b"hello":
            raise Failure(f"answered {answer} to hello")
    return False


def probe(server, binary):
    """Starts the binary, and returns whether it compresses."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    process = subprocess.Popen(
        [binary, str(port)], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + ANSWER_SECONDS
        while True:
            try:
                with Connection(port):
                    break
            except ConnectionError:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise Failure("doesn't listen") from None
                time.sleep(0.02)
        return (probe_websocket if server.websocket else probe_tcp)(port)
    except (Failure, OSError) as error:
        raise Failure(f"{server.folder}: {error}") from error
    finally:
        process.kill()
        process.wait()


def fetch(servers):
    """Downloads what the builds need: they are offline."""
    version = subprocess.run(["rustc", "-vV"], stdout=subprocess.PIPE, text=True, check=True, timeout=60).stdout
    host = re.search(r"^host: (.+)$", version, re.M)[1]
    for folder in dict.fromkeys(server.folder for server in servers):
        Server(folder).cargo("fetch", "--target", host)


@dataclasses.dataclass
class Row:
    """The figures of a server."""

    server: Server
    crates: set
    size: int = 0
    size_lto: int = 0
    seconds: float = float("inf")
    compresses: bool = False

    def name(self):
        versions = [row.split()[1] for row in self.crates if row.split()[0] == self.server.folder]
        return self.server.name or f"{self.server.folder} {versions[0].removeprefix('v')}"

    def build(self):
        with self.server.built() as (binary, seconds):
            self.compresses = probe(self.server, binary)
            self.size = binary.stat().st_size
            self.seconds = min(self.seconds, seconds)

    def build_lto(self):
        with self.server.built(LTO) as (binary, _):
            probe(self.server, binary)
            self.size_lto = binary.stat().st_size


def table():
    fetch(SERVERS)
    rows = [Row(server, server.crates()) for server in SERVERS]
    # In rounds, so that what else the machine does is shared out.
    for build in [Row.build] * TABLE_BUILDS + [Row.build_lto]:
        for row in rows:
            print(f"building {row.name()}", file=sys.stderr)
            build(row)
    ours = rows[0]
    print("| server | crates | bytes | bytes, fat LTO | CPU s to build | compresses |")
    print("|---|---|---|---|---|---|")
    for row in rows:
        cells = [
            f"{len(row.crates)} ({len(row.crates) / len(ours.crates):.2f})",
            f"{row.size:,} ({row.size / ours.size:.2f})",
            f"{row.size_lto:,} ({row.size_lto / ours.size_lto:.2f})",
            f"{row.seconds:.1f} ({row.seconds / ours.seconds:.2f})",
            "yes" if row.compresses else "no",
        ]
        print(f"| {row.name()} | {' | '.join(cells)} |")


def check():
    """Whether talkback keeps below the ceilings."""
    server = SERVERS[0]
    results = []

    def result(passed, what):
        results.append(passed)
        print(f"{'ok  ' if passed else 'FAIL'} {what}", flush=True)

    try:
        fetch([server])
        crates = len(server.crates())
        result(crates <= MAX_CRATES, f"crates: {crates}, ceiling {MAX_CRATES}")
        fastest = None
        for build in range(CHECK_BUILDS):
            with server.built() as (binary, seconds):
                if build == 0:
                    size = binary.stat().st_size
                    result(size <= MAX_BYTES, f"bytes, stripped: {size:,}, ceiling {MAX_BYTES:,}")
                    probe(server, binary)
                    result(True, "echoes")
            fastest = seconds if fastest is None else min(fastest, seconds)
            if fastest <= MAX_CPU_SECONDS:
                break
        result(fastest <= MAX_CPU_SECONDS, f"CPU seconds to build: {fastest:.1f}, ceiling {MAX_CPU_SECONDS}")
    except Failure as error:
        result(False, str(error))
    failed = results.count(False)
    print(f"{results.count(True)} passed, {failed} failed")
    return 1 if failed else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="only talkback, against its ceilings")
    arguments = parser.parse_args()
    if arguments.check:
        return check()
    try:
        table()
    except Failure as error:
        print(f"measure.py: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
