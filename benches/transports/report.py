"""Tables of what was measured, in Markdown."""

import datetime
import pathlib

HERE = pathlib.Path(__file__).resolve().parent
PLACES = [HERE / "README.md", HERE.parents[1] / "src/manual/which_transport.md"]
BEGIN = "<!-- figures: written by benches/transports/run.py -->"
END = "<!-- end of figures -->"


def figure(value):
    if value >= 100:
        return f"{value:,.0f}"
    if value < 0:
        return f"−{figure(-value)}"
    if value < 0.005:
        return "0"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def table(head, rows):
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def tables(found):
    ways, size = found["ways"].items(), found["size"]
    day = datetime.date.fromisoformat(found["date"])
    taken = (
        f"{found['machine']}, which had a load of {found['load']:.1f} when it began; {day.day} {day:%B %Y}; "
        f"`{found['command']}`."
    )
    news = table(
        ["", "requests", "bytes up", "bytes down", f"bytes more than the {size}", "half within", "99 % within", "CPU time, µs"],
        [[name, *map(figure, (one["requests"], one["up"], one["down"], one["up"] + one["down"] - size)),
          f"{figure(one['p50'])} ms", f"{figure(one['p99'])} ms", figure(one["cpu"])] for name, one in ways],
    )
    idle = table(
        ["", "memory, bytes", "requests a minute", "bytes a minute", "CPU time a minute, µs"],
        [[name, *map(figure, (one["idle"]["memory"], one["idle"]["requests"], one["idle"]["bytes"], one["idle"]["cpu"]))]
         for name, one in ways],
    )
    upward = table(
        ["", "bytes up", "bytes of the answer"],
        [[name, figure(one["up"]), figure(one["down"])] for name, one in found["upward"].items()],
    )
    parts = [
        taken,
        f"{found['subscribers']:,} subscribers, {found['rate']:g} messages a second of {size} B. "
        "What it takes to bring one message to one subscriber, and how long that is on its way:",
        news,
        f"A subscriber to whom nothing is said ({found['idle']:,} of each, {found['idle_seconds']:g} s):",
        idle,
        f"To say something of {size} B:",
        upward,
    ]
    if found["browser"]:
        parts += [
            "What a real browser makes of it: Chromium with the example's page `/compare`, which says 5 messages a second "
            "of 256 B, and has no cookie. *Automatic* is the browser's client with all its choices:",
            table(
                ["a message", "requests", "bytes up", "bytes down"],
                [[name, *map(figure, (one["requests"], one["up"], one["down"]))] for name, one in found["browser"].items()],
            ),
        ]
    return "\n\n".join(parts)


def put(found):
    """Writes the tables between the markers of each place."""
    for place in PLACES:
        before, _, rest = place.read_text().partition(BEGIN)
        _, end, after = rest.partition(END)
        if not end:
            raise SystemExit(f"{place}: {BEGIN} or {END} isn't there")
        place.write_text(f"{before}{BEGIN}\n\n{tables(found)}\n\n{END}{after}")
