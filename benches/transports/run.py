#!/usr/bin/env python3
"""Measures the ways to read a room, and puts the figures where they are shown: into README.md here, and into the
chapter src/manual/which_transport.md, between their markers, and into charts/.

    python3 run.py                six minutes
    python3 run.py --quick        a minute, rough: shows the tables, and writes nothing
    python3 run.py --json FILE    writes the figures there, too
    python3 run.py --from FILE    measures nothing: puts figures there that were written to FILE

It builds the example `chat`, and needs Linux, Rust and Python 3.10, nothing else. If there is a Chromium, it is asked, too.
"""

import argparse
import datetime
import json
import os
import pathlib
import random
import shlex
import statistics
import sys

import browser
import chart
import report
from load import Ledger, Loop, Wrong
from server import Server, allow_sockets, build, difference, machine
from ways import WAYS, Publisher, Speaker

WARM_UP = 2.0  # seconds of publishing before what is measured: polls have found their pace then
QUIET = 0.3  # seconds; the server brings its meters up to date every 0.05 s
FEW = 100  # idle subscribers that are there before memory is weighed
WORDS = "we meet at the bridge by noon and take the late train home if it rains bring two coats for ann".split()


def options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--subscribers", type=int, default=100)
    parser.add_argument("--rate", type=float, default=10, help="messages a second")
    parser.add_argument("--size", type=int, default=256, help="bytes of the data of a message, at least 64")
    parser.add_argument("--seconds", type=float, default=20, help="for each way, all rounds together")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--idle", type=int, default=1000, help="idle subscribers whose memory is weighed")
    parser.add_argument("--idle-seconds", type=float, default=75, help="a multiple of all intervals")
    parser.add_argument("--browser-seconds", type=float, default=15)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", type=pathlib.Path)
    parser.add_argument("--from", dest="former", type=pathlib.Path)
    chosen = parser.parse_args()
    if chosen.quick:
        chosen.seconds, chosen.rounds, chosen.idle, chosen.idle_seconds, chosen.browser_seconds = 3, 1, 200, 5, 4
    return chosen


def message(number, size):
    """Data of so many bytes as JSON: a number, and words as people write them."""
    start = len(json.dumps({"n": number, "text": ""}, separators=(",", ":")))
    text = " ".join(random.Random(number).choices(WORDS, k=size))
    return {"n": number, "text": text[:size - start]}


def connect(loop, server, column, kind, room, numbers, ledger):
    """Subscribers that have been told where they are."""
    subscribers = []
    for number in numbers:
        subscribers.append(kind(loop, server.ports[column], room, number, ledger))
        if number % 50 == 49:
            loop.run(0)
    if not loop.run(20, lambda: all(one.is_ready for one in subscribers)):
        raise Wrong(f"{sum(not one.is_ready for one in subscribers)} subscribers have got no answer")
    return subscribers


def publish(loop, publisher, seconds, chosen):
    """So many seconds of messages, at their rate, and then a while of silence."""
    count = max(1, round(seconds * chosen.rate))
    first = len(publisher.ledger.sent)
    for number in range(first, first + count):
        say = lambda number=number: publisher.publish(message(number, chosen.size))
        loop.after((number - first) / chosen.rate, say)
    loop.run(count / chosen.rate + QUIET)


def deliver(executable, column, kind, chosen):
    """A round of one way: what a delivery costs, and how long it takes."""
    with Server(executable) as server:
        loop, ledger = Loop(), Ledger()
        try:
            subscribers = connect(loop, server, column, kind, "bench", range(chosen.subscribers), ledger)
            publisher = Publisher(loop, server.port, "bench", ledger)
            loop.run(QUIET)  # until all have heard who is here
            publish(loop, publisher, WARM_UP, chosen)
            before, delivered = server.meter(column), len(ledger.delivered)
            publish(loop, publisher, chosen.seconds / chosen.rounds, chosen)
            spent, times = difference(server.meter(column), before), ledger.delivered[delivered:]
            check(loop, subscribers, publisher)
            return figures(spent, times)
        finally:
            loop.close()


def check(loop, subscribers, publisher):
    """Each must have got each message once: which ones, and in which order, was looked at as they came."""
    count = len(publisher.ledger.sent)
    if not loop.run(2 * WARM_UP, lambda: all(one.next == count for one in subscribers)):
        came = min(one.next for one in subscribers)
        raise Wrong(f"{subscribers[0]} and others: only {came} of {count} messages came to each")
    loop.run(QUIET)  # what comes twice would be noticed
    if publisher.answered != count:
        raise Wrong(f"only {publisher.answered} of {count} messages were stored")


def figures(spent, times):
    times, count = sorted(times), len(times)
    return {
        "deliveries": count, "requests": spent["requests"] / count,
        "up": spent["up"] / count, "down": spent["down"] / count, "cpu": spent["cpu"] / count * 1e6,
        "p50": times[count // 2] * 1e3, "p99": times[min(count - 1, count * 99 // 100)] * 1e3,
    }


def rest(executable, chosen):
    """Subscribers that hear nothing: memory, bytes and CPU time of each way, all at once on servers of their own."""
    loop, servers, found = Loop(), [], {}
    try:
        for name, column, kind in WAYS:
            server = Server(executable)
            servers.append(server)
            connect(loop, server, column, kind, "bench", range(FEW), Ledger())
            loop.run(QUIET)
            few = server.resident_len()
            connect(loop, server, column, kind, "bench", range(FEW, FEW + chosen.idle), Ledger())
            loop.run(1)
            found[name] = {"memory": (server.resident_len() - few) / chosen.idle}
        before = [server.meter(column) for server, (_, column, _) in zip(servers, WAYS)]
        loop.run(chosen.idle_seconds)
        for server, (name, column, _), earlier in zip(servers, WAYS, before):
            spent = difference(server.meter(column), earlier)
            minutes = (chosen.idle + FEW) * chosen.idle_seconds / 60
            found[name] |= {
                "requests": spent["requests"] / minutes, "bytes": (spent["up"] + spent["down"]) / minutes,
                "cpu": spent["cpu"] / minutes * 1e6,
            }
        return found
    finally:
        loop.close()
        for server in servers:
            server.__exit__()


def say(executable, chosen, count=100):
    """Bytes of a message upward, and of its answer: by POST and by WebSocket, one after the other."""
    found = {}
    with Server(executable) as server:
        for name, column, kind in [("POST", "polling", Publisher), ("WebSocket", "websocket", Speaker)]:
            loop = Loop()
            port, more = server.ports[column], (Ledger(),)
            publisher = kind(loop, port, name, *more) if kind is Publisher else kind(loop, port, name, 0, *more)
            loop.run(QUIET)
            before = server.meter(column)
            for number in range(count):
                publisher.publish(message(number, chosen.size))
                if not loop.run(10, lambda wanted=number + 1: publisher.answered == wanted):
                    raise Wrong(f"{publisher}: no answer")
            loop.run(QUIET)
            spent = difference(server.meter(column), before)
            answers = spent["down"] if kind is Publisher else publisher.answers_len
            found[name] = {"up": spent["up"] / count, "down": answers / count}
            loop.close()
    return found


def median(rounds):
    return {name: statistics.median(one[name] for one in rounds) for name in rounds[0]}


def command(chosen):
    """What has to be said to get such figures again."""
    options = [one for one in sys.argv[1:] if one not in ("--json", str(chosen.json))]
    return shlex.join(["python3", "benches/transports/run.py", *options])


def measure(chosen):
    load = os.getloadavg()[0]
    executable = build()
    rounds = {name: [] for name, *_ in WAYS}
    for turn in range(chosen.rounds):
        for name, column, kind in WAYS[turn:] + WAYS[:turn]:  # each begins once
            print(f"round {turn + 1} of {chosen.rounds}: {name}", file=sys.stderr)
            rounds[name].append(deliver(executable, column, kind, chosen))
    print(f"{chosen.idle} idle subscribers of each", file=sys.stderr)
    idle = rest(executable, chosen)
    settings = {name: getattr(chosen, name) for name in ("subscribers", "rate", "size", "idle", "idle_seconds")}
    return {
        "date": datetime.date.today().isoformat(), "machine": machine(), "load": load, **settings,
        "command": command(chosen),
        "ways": {name: {**median(rounds[name]), "idle": idle[name]} for name in rounds},
        "upward": say(executable, chosen), "browser": browser.look(executable, chosen.browser_seconds),
    }


def main():
    chosen = options()
    if chosen.former:
        found = json.loads(chosen.former.read_text())
    else:
        allow_sockets(len(WAYS) * (chosen.idle + FEW) + 200)
        try:
            found = measure(chosen)
        except (Wrong, OSError) as error:
            sys.exit(f"run.py: {error}")
    if chosen.json:
        chosen.json.write_text(json.dumps(found, indent=1) + "\n")
    print(report.tables(found))
    if not chosen.quick:
        report.put(found)
        chart.draw(found)


if __name__ == "__main__":
    main()
