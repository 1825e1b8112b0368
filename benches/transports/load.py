"""One thread for all subscribers and the publisher: sockets, timers, and what should have come."""

import heapq
import itertools
import select
import socket
import time

now = time.perf_counter


class Loop:
    def __init__(self):
        self.epoll = select.epoll()
        self.links = {}
        self.timers = []
        self.count = itertools.count()

    def after(self, seconds, call):
        heapq.heappush(self.timers, (now() + seconds, next(self.count), call))

    def run(self, seconds, until=lambda: False):
        """Goes on for so long, or until that is so; whether it became so."""
        end = now() + seconds
        while not until():
            if now() >= end:
                return False
            due = self.timers[0][0] if self.timers else end
            ready = self.epoll.poll(max(0, min(end, due) - now()))
            # First everything is read and stamped: reading one shall not delay the stamp of another by more.
            came = [(link, link.read(), now()) for fd, _ in ready if (link := self.links.get(fd))]
            for link, data, at in came:
                link.take(data, at)
            while self.timers and self.timers[0][0] <= now():
                heapq.heappop(self.timers)[2]()
        return True

    def close(self):
        for link in list(self.links.values()):
            link.close()
        self.timers.clear()
        self.epoll.close()


class Link:
    """A connection. What it is for says what it does with `take`."""

    def __init__(self, loop, port):
        self.loop = loop
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setblocking(False)
        loop.links[self.socket.fileno()] = self
        loop.epoll.register(self.socket, select.EPOLLIN)

    def read(self):
        data = self.socket.recv(1 << 18)
        if not data:
            raise Wrong(f"{self}: the server has ended the connection")
        return data

    def write(self, data):
        if self.is_open and self.socket.send(data) != len(data):
            raise Wrong(f"{self}: the server doesn't read")

    @property
    def is_open(self):
        return self.socket.fileno() >= 0

    def close(self):
        self.loop.links.pop(self.socket.fileno(), None)
        self.socket.close()


class Wrong(Exception):
    """A message was lost, doubled or changed, or an answer isn't what it should be."""


class Ledger:
    """What was published, and how long each delivery took."""

    def __init__(self):
        self.sent = []  # when each message was sent, by its number
        self.data = []  # and what it was
        self.delivered = []  # seconds, in the order of arrival

    def arrive(self, who, data, at):
        """A subscriber has got a publication: it must be the next one, and as it was sent."""
        number = data.get("n")
        if number != who.next:
            raise Wrong(f"{who} got message {number} instead of {who.next}")
        if data != self.data[number]:
            raise Wrong(f"{who} got message {number} changed")
        who.next += 1
        self.delivered.append(at - self.sent[number])
