"""Counts the instructions of one message, by callgrind, and holds them to ceilings.

    python3 benches/codec/instructions.py

A count has next to no noise: it is the difference of two runs, and so without what they set up. Between
machines it differs by a few instructions, as the C library picks other ways to copy. Whoever makes the codec
faster lowers the ceilings here. Needs cargo and valgrind; the last line says "N passed, N failed".
"""
import os
import pathlib
import re
import subprocess
import sys

MANIFEST = pathlib.Path(__file__).resolve().parent.parent / "Cargo.toml"
COUNT = 4000
CONTESTANT = "talkback"
# what was counted, and 4 % on top
CEILINGS = {
    "receive, binary, 16 B": 180,
    "receive, ASCII, 125 B": 493,
    "receive, non-ASCII, 1 KiB": 2450,
    "send, binary, 16 B": 115,
    "client send, binary, 16 B": 264,
    "client send, binary, 1 KiB": 683,
}


def build():
    """The program without the other crates; its path."""
    command = ["cargo", "build", "--release", "--locked", "--manifest-path", MANIFEST, "--no-default-features",
               "--bin", "codec", "--message-format", "short"]
    subprocess.run(command, check=True, timeout=900)
    target = os.environ.get("CARGO_TARGET_DIR", MANIFEST.parent / "target")
    return pathlib.Path(target).resolve() / "release" / "codec"


def counted(program, row, count):
    """The instructions of a whole run."""
    command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", program, "--run", CONTESTANT, row, str(count)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=300)
    found = re.search(r"Collected : (\d+)", run.stderr)
    if run.returncode != 0 or not found:
        sys.exit(f"{row}: callgrind failed\n{run.stdout}{run.stderr}")
    return int(found[1])


def main():
    program = build()
    failed = 0
    for row, ceiling in CEILINGS.items():
        instructions = (counted(program, row, 2 * COUNT) - counted(program, row, COUNT)) / COUNT
        held = instructions <= ceiling
        failed += not held
        print(f"{'ok' if held else 'FAIL'} {row}: {instructions:.0f} instructions, at most {ceiling}", flush=True)
    print(f"{len(CEILINGS) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
