"""The ways to subscribe, each as the browser's client does it, and the two ways to publish."""

import json
import os
import random
import re

import heads
from load import Link, Wrong, now

POLL_INTERVAL = 2  # seconds
LONG_POLL = 25  # seconds


class Subscriber(Link):
    """Reads a room. `objects` takes what can be told from the bytes so far."""

    def __init__(self, loop, port, room, number, ledger):
        super().__init__(loop, port)
        self.host, self.room = f"127.0.0.1:{port}", room
        self.client = f"reader{number:04}"
        self.ledger, self.buffer = ledger, b""
        self.next, self.cursor, self.is_ready = 0, "", False
        self.ask()

    def __str__(self):
        return f"{type(self).__name__} {self.client}"

    def path(self, endpoint, more=""):
        after = f"&after={self.cursor}" if self.cursor else ""
        return f"/rooms/{self.room}/{endpoint}?client={self.client}{after}{more}"

    def take(self, data, at):
        self.buffer += data
        for one in self.objects():
            if "gap" in one:
                raise Wrong(f"{self} has missed something")
            self.is_ready = True
            self.cursor = one.get("id", self.cursor)
            if "data" in one:
                self.ledger.arrive(self, one["data"], at)

    def head(self, status):
        """The head of an answer, if it is there as a whole."""
        head, blank, rest = self.buffer.partition(b"\r\n\r\n")
        if not blank:
            return None
        if not head.startswith(b"HTTP/1.1 %d " % status):
            raise Wrong(f"{self}: {head.decode()}")
        self.buffer = rest
        return head


class LongPolling(Subscriber):
    wait = LONG_POLL

    def ask(self):
        # The first doesn't wait: it tells where one is.
        wait = f"&wait={self.wait}" if self.wait and self.is_ready else ""
        self.write(heads.fetch(self.path("messages", wait), self.host))

    def objects(self):
        head, blank, body = self.buffer.partition(b"\r\n\r\n")
        if not blank or len(body) < int(re.search(rb"Content-Length: (\d+)", head)[1]):
            return
        self.head(200)
        page, self.buffer = json.loads(self.buffer), b""
        if page["gap"]:
            raise Wrong(f"{self} has missed something")
        yield from page["messages"]
        yield {"id": page["cursor"]}
        self.pace(is_all=int(page["cursor"].split("-")[1]) >= page["last"])

    def pace(self, is_all):
        self.ask()


class Polling(LongPolling):
    wait = 0
    was_asked = False

    def pace(self, is_all):
        if not is_all:
            return self.ask()
        # Not all at once: the first pause is a random part of one.
        self.loop.after(POLL_INTERVAL if self.was_asked else random.uniform(0, POLL_INTERVAL), self.ask)
        self.was_asked = True


class Chunked(Subscriber):
    """An answer without end, in chunks."""

    text, is_answered = b"", False

    def blocks(self, end):
        if not self.is_answered:
            self.is_answered = self.head(200) is not None
        while self.is_answered:
            size, line_end, rest = self.buffer.partition(b"\r\n")
            len_ = int(size, 16) if line_end else 0
            if not line_end or len(rest) < len_ + 2:
                break
            self.text += rest[:len_]
            self.buffer = rest[len_ + 2:]
        *blocks, self.text = self.text.split(end)
        return blocks


class Streaming(Chunked):
    def ask(self):
        self.write(heads.fetch(self.path("stream"), self.host))

    def objects(self):
        return [json.loads(line) for line in self.blocks(b"\n") if line]


class Events(Chunked):
    def ask(self):
        self.write(heads.events(self.path("events"), self.host))

    def objects(self):
        for block in self.blocks(b"\n\n"):
            data = [line[6:] for line in block.split(b"\n") if line.startswith(b"data: ")]
            if data:
                yield json.loads(b"\n".join(data))


def frame(opcode, payload):
    """A client's, masked with a fresh key."""
    key = os.urandom(4)
    mask = (key * (len(payload) // 4 + 1))[:len(payload)]
    masked = (int.from_bytes(payload, "big") ^ int.from_bytes(mask, "big")).to_bytes(len(payload), "big")
    len_ = bytes([0x80 | len(payload)]) if len(payload) < 126 else b"\xfe" + len(payload).to_bytes(2, "big")
    return bytes([0x80 | opcode]) + len_ + key + masked


class WebSocket(Subscriber):
    is_answered = False

    def ask(self):
        self.write(heads.upgrade(self.path("socket"), self.host))

    def objects(self):
        if not self.is_answered:
            self.is_answered = self.head(101) is not None
        while self.is_answered and (found := self.next_frame()):
            first, payload = found
            if first == 0x89:
                self.write(frame(0xA, payload))
            elif first == 0x81:
                yield json.loads(payload)
            else:
                raise Wrong(f"{self} got a frame that begins with {first:#x}")

    def next_frame(self):
        if len(self.buffer) < 2:
            return None
        first, len_, start = self.buffer[0], self.buffer[1], 2
        if len_ > 125:
            start = 4 if len_ == 126 else 10
            len_ = int.from_bytes(self.buffer[2:start], "big") if len(self.buffer) >= start else 1 << 62
        if len(self.buffer) < start + len_:
            return None
        payload, self.buffer = self.buffer[start:start + len_], self.buffer[start + len_:]
        return first, payload


# Name, column of the server, how.
WAYS = [
    ("polling, every 2 s", "polling", Polling),
    ("long polling", "long-polling", LongPolling),
    ("HTTP streaming", "streaming", Streaming),
    ("server-sent events", "events", Events),
    ("WebSocket", "websocket", WebSocket),
]


class Publisher(Link):
    """Posts over one connection."""

    def __init__(self, loop, port, room, ledger):
        super().__init__(loop, port)
        self.host, self.room, self.ledger = f"127.0.0.1:{port}", room, ledger
        self.answers, self.answered = b"", 0

    def __str__(self):
        return "the publisher"

    def publish(self, data):
        body = json.dumps({"client": "publisher", "message": str(data["n"]), "data": data}, separators=(",", ":"))
        request = heads.post(f"/rooms/{self.room}/messages", self.host, body.encode())
        self.ledger.data.append(data)
        self.ledger.sent.append(now())
        self.write(request)

    def take(self, data, at):
        self.answers += data
        self.answered = self.answers.count(b'"new":true}')
        if self.answers.count(b"HTTP/1.1 ") > self.answers.count(b"HTTP/1.1 200"):
            raise Wrong(f"{self}: {self.answers[-500:].decode()}")


class Speaker(WebSocket):
    """Publishes over its WebSocket, which is told that it was stored."""

    answered, answers_len, frame_len = 0, 0, 0

    def publish(self, data):
        text = json.dumps({"message": str(data["n"]), "data": data}, separators=(",", ":")).encode()
        self.write(frame(0x1, text))

    def next_frame(self):
        before = len(self.buffer)
        found = super().next_frame()
        self.frame_len = before - len(self.buffer)
        return found

    def objects(self):
        for one in super().objects():
            if "ack" in one:
                self.answered += 1
                self.answers_len += self.frame_len
            # What it said itself comes back, too, as to everybody.
            yield {"id": one["id"]} if "id" in one else one
