#!/usr/bin/env python3
"""Draws bar charts from what `sockets --json FILE` wrote.

    python3 chart.py FILE [FOLDER]

One SVG for each of some echo rows, one for fan-out, one for memory. Needs nothing but Python.
"""

import html
import json
import math
import pathlib
import re
import sys

ECHO_ROWS = ["64, 16 B, 1", "64, 16 B, 16", "1000, 1 KiB, 16", "64, 64 KiB, 4"]
COLOURS = {"ours": "#2563eb", "rival": "#94a3b8", "floor": "#475569", "raw": "#cbd5e1"}
LABEL_WIDTH, BAR_WIDTH, VALUE_WIDTH = 170, 400, 80
BAR_HEIGHT, GAP, TOP, MARGIN = 20, 8, 64, 16
FONT = "font-family='system-ui, sans-serif'"


def figure(value):
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}" if value < 100 else f"{value:.0f}"


def chart(title, subtitle, bars, logarithmic):
    """Bars are of (name, kind, value), the smallest first."""
    bars = sorted(bars, key=lambda bar: bar[2])
    largest = max(value for _, _, value in bars)
    # A logarithmic axis begins at the power of ten below the smallest, at least a decade below the largest.
    begin = math.floor(math.log10(min(value for _, _, value in bars))) if logarithmic else 0
    if logarithmic:
        begin = min(begin, math.ceil(math.log10(largest)) - 1)

    def width(value):
        if not logarithmic:
            return value / largest * BAR_WIDTH
        return (math.log10(value) - begin) / (math.log10(largest) - begin) * BAR_WIDTH

    full_width = LABEL_WIDTH + BAR_WIDTH + VALUE_WIDTH + 2 * MARGIN
    bottom = TOP + len(bars) * (BAR_HEIGHT + GAP)
    full_height = bottom + (28 if logarithmic else 12)
    left = MARGIN + LABEL_WIDTH
    parts = [
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {full_width} {full_height}' "
        f"width='{full_width}' height='{full_height}' {FONT} font-size='13'>",
        f"<rect width='{full_width}' height='{full_height}' fill='#ffffff'/>",
        f"<text x='{MARGIN}' y='26' font-size='16' font-weight='600' fill='#0f172a'>{html.escape(title)}</text>",
        f"<text x='{MARGIN}' y='46' font-size='12' fill='#475569'>{html.escape(subtitle)}</text>",
    ]
    if logarithmic:
        for power in range(begin, math.floor(math.log10(largest)) + 1):
            x = left + width(10.0**power)
            parts.append(
                f"<line x1='{x:.1f}' x2='{x:.1f}' y1='{TOP - 6}' y2='{bottom}' stroke='#e2e8f0'/>"
                f"<text x='{x:.1f}' y='{bottom + 16}' font-size='11' fill='#64748b' text-anchor='middle'>"
                f"{10.0**power:,g}</text>"
            )
    for index, (name, kind, value) in enumerate(bars):
        y = TOP + index * (BAR_HEIGHT + GAP)
        weight = "600" if kind == "ours" else "400"
        parts.append(
            f"<text x='{left - 10}' y='{y + 15}' text-anchor='end' fill='#0f172a' font-weight='{weight}'>"
            f"{html.escape(name)}</text>"
            f"<rect x='{left}' y='{y}' width='{max(width(value), 1):.1f}' height='{BAR_HEIGHT}' rx='2' "
            f"fill='{COLOURS[kind]}'/>"
            f"<text x='{left + max(width(value), 1) + 8:.1f}' y='{y + 15}' fill='#0f172a' "
            f"font-weight='{weight}'>{figure(value)}</text>"
        )
    return "\n".join([*parts, "</svg>", ""])


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    data = json.loads(pathlib.Path(sys.argv[1]).read_text())
    folder = pathlib.Path(sys.argv[2] if len(sys.argv) == 3 else ".")
    folder.mkdir(parents=True, exist_ok=True)
    kinds = {server["name"]: server["kind"] for server in data["servers"]}

    def draw(name, title, subtitle, row, kinds_left_out=(), logarithmic=False):
        values = row["values"].items()
        bars = [(name, kinds[name], value) for name, value in values if kinds[name] not in kinds_left_out and value > 0]
        if bars:
            path = folder / f"{name}.svg"
            path.write_text(chart(title, subtitle, bars, logarithmic))
            print(path)

    for row in data["rows"]:
        key = (row["table"], row["measure"])
        if key == ("echo", "cpu") and row["row"] in ECHO_ROWS:
            connections, size, depth = row["row"].split(", ")
            name = re.sub(r"[^a-z0-9]+", "-", f"echo-{connections}-{size}-{depth}".lower())
            title = f"Echo: {size}, {connections} connections, {depth} in flight each"
            draw(name, title, "The server's CPU time a message, in µs. Less is better.", row)
        elif key == ("fan-out", "cpu") and row["row"] == "125 B, 8":
            title = "Fan-out: 125 B to 1000 connections, 8 in flight"
            draw("fan-out", title, "The server's CPU time a delivery, in µs. Less is better.", row)
        elif key == ("idle", "opened"):
            title = f"Memory of an idle connection, of {row['row'].split(',')[0]}"
            subtitle = "Bytes of the server's resident memory, on a logarithmic scale. Less is better."
            draw("memory", title, subtitle, row, ("raw",), True)


if __name__ == "__main__":
    main()
