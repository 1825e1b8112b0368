#!/usr/bin/env python3
"""Draws bar charts from what `run.py --json FILE` wrote.

    python3 chart.py FILE [FOLDER]
"""

import importlib.util
import json
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
# File, title, what a bar is, of a way, whether the axis is logarithmic.
CHARTS = [
    ("bytes", "Bytes a message and subscriber", "Up and down, at the server's sockets; the message has {size} B.",
     lambda one: one["up"] + one["down"], False),
    ("half", "From one to all: half within", "Milliseconds from the publisher to a subscriber, on a logarithmic scale.",
     lambda one: one["p50"], True),
    ("most", "From one to all: 99 % within", "Milliseconds from the publisher to a subscriber, on a logarithmic scale.",
     lambda one: one["p99"], True),
    ("cpu", "CPU time a delivery", "Of the server's process, in µs.", lambda one: one["cpu"], False),
    ("idle", "Bytes a minute of a subscriber to whom nothing is said", "Up and down, on a logarithmic scale.",
     lambda one: one["idle"]["bytes"], True),
]


def bars():
    """The charts of the sockets are drawn there."""
    spec = importlib.util.spec_from_file_location("bars", HERE.parent / "sockets" / "chart.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.chart


def draw(found, folder=HERE / "charts"):
    folder.mkdir(parents=True, exist_ok=True)
    chart = bars()
    for name, title, what, value, logarithmic in CHARTS:
        ways = [(way, "ours", value(one)) for way, one in found["ways"].items() if value(one) > 0]
        if ways:
            subtitle = what.format(**found) + " Less is better."
            (folder / f"{name}.svg").write_text(chart(title, subtitle, ways, logarithmic))


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    draw(json.loads(pathlib.Path(sys.argv[1]).read_text()), *map(pathlib.Path, sys.argv[2:]))
