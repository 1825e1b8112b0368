"""The steps of tests/run.sh, which finds or installs the tools and starts this.

Each step prints one line, and the end of its log if it failed; the rest goes on. A step counts its own
checks, and one that counted none has failed. Nothing that was started outlives the run.
"""
import asyncio
import contextlib
import ctypes
import dataclasses
import fcntl
import itertools
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
CACHE = pathlib.Path(
    os.environ.get("TALKBACK_CACHE")
    or pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "talkback"
).resolve()
TARGET = (ROOT / os.environ.get("CARGO_TARGET_DIR", "target")).resolve()
LOGS = CACHE / "logs"
ARTIFACTS = CACHE / "artifacts"
TAIL_LINES = 40
FAILURE = re.compile(r"FAIL|test .* FAILED$|error[:\[]")
RUN_SECONDS = 45 * 60  # the whole; what is not done by then has failed
DEPENDENCIES = ["base64", "bytes", "httparse", "mio", "sha1", "simdutf8", "zlib_rs"]


def gate(_log):
    """A command that is one check by itself: its status decides."""
    return None


def cargo_tests(log):
    results = re.findall(r"^test result: \w+\. (\d+) passed; (\d+) failed; (\d+) ignored", log, re.M)
    # a test that is left out is no test
    return sum(int(row[0]) for row in results), sum(int(row[1]) + int(row[2]) for row in results)


def last_line(log):
    found = re.search(r"^(\d+) passed, (\d+) failed\s*\Z", log, re.M)
    return (int(found[1]), int(found[2])) if found else (0, 0)


@dataclasses.dataclass
class Step:
    """A command, and how its log tells what it counted."""

    name: str
    argv: list
    count: object = gate
    folder: pathlib.Path = ROOT
    environment: dict = dataclasses.field(default_factory=dict)
    seconds: int = 900


@dataclasses.dataclass
class Run:
    """What has been counted so far."""

    begun: float = dataclasses.field(default_factory=time.monotonic)
    passed: int = 0
    failed: int = 0

    def add(self, name, passed, failed, seconds, tail=()):
        self.passed += passed
        self.failed += failed
        counts = f"{passed} passed, {failed} failed, " if passed + failed > 1 else ""
        print(f"{'FAIL' if failed else 'ok'} {name} ({counts}{seconds:.0f} s)", flush=True)
        for line in tail if failed else ():
            print(f"    {line}", flush=True)

    async def step(self, step):
        """Runs one step to its end, or to the end of its time; returns whether all of it passed."""
        begun = time.monotonic()
        limit = max(1, min(step.seconds, self.begun + RUN_SECONDS - begun))
        path = LOGS / f"{step.name.replace(' ', '-')}.log"
        try:
            status = await logged(step, path, limit)
        except OSError as error:
            path.write_text(f"{error}\n")
            status = None
        log = path.read_text(errors="replace")
        counted = step.count(log)
        if counted is None:
            passed, failed = (1, 0) if status == 0 else (0, 1)
        else:
            passed, failed = counted
            if failed == 0 and (status != 0 or passed == 0):
                failed = 1
                log += f"\nended with status {status} after {passed} passed checks"
        lines = log.splitlines()
        earlier = [line for line in lines[:-TAIL_LINES] if FAILURE.match(line.lstrip())]
        self.add(step.name, passed, failed, time.monotonic() - begun, earlier[:TAIL_LINES] + lines[-TAIL_LINES:])
        return failed == 0

    async def steps(self, *steps):
        """One after the other, also behind one that failed."""
        for step in steps:
            await self.step(step)


async def logged(step, path, limit):
    """Runs a step in a process group of its own, which is ended if the step is cut off."""
    environment = dict(
        os.environ, CARGO_TERM_COLOR="never", CARGO_TARGET_DIR=str(TARGET), TALKBACK_CACHE=str(CACHE),
        ARTIFACTS=str(ARTIFACTS), **step.environment)
    with open(path, "wb") as log:
        process = await asyncio.create_subprocess_exec(
            *map(str, step.argv), cwd=step.folder, env=environment, start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
        try:
            return await asyncio.wait_for(process.wait(), limit)
        except asyncio.TimeoutError:
            log.seek(0, os.SEEK_END)
            log.write(f"\nnot done after {limit:.0f} s\n".encode())
            return None
        finally:
            for number in (signal.SIGTERM, signal.SIGKILL):
                if process.returncode is None:
                    with contextlib.suppress(ProcessLookupError, asyncio.TimeoutError):
                        os.killpg(process.pid, number)
                        await asyncio.wait_for(process.wait(), 15)


def descendants():
    """The processes under this one that still run. Orphans are among them: this one adopts them."""
    parents = {}
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            name, _, rest = stat.read_text(errors="replace").rpartition(")")
            state, parent = rest.split()[:2]
            parents[int(stat.parent.name)] = (int(parent), state, name.partition("(")[2])
    found, generation = {}, {os.getpid()}
    while generation:
        generation = {pid for pid, (parent, _, _) in parents.items() if parent in generation}
        found.update((pid, parents[pid][2]) for pid in generation if parents[pid][1] != "Z")
    return found


async def end_strays(grace):
    """Ends what still runs after `grace` seconds; returns what that was."""
    deadline = time.monotonic() + grace
    while (strays := descendants()) and time.monotonic() < deadline:
        await asyncio.sleep(0.1)
    seen = dict(strays)
    while strays:
        for pid in strays:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        await asyncio.sleep(0.05)
        strays = descendants()
        seen.update(strays)
    return seen


def cargo(name, *arguments, count=gate, **environment):
    return Step(name, ["cargo", *arguments], count, environment=environment)


def crate_steps(quick):
    """The crate by itself: one cargo at a time, they share the target folder's lock."""
    names = " ".join(DEPENDENCIES)
    tree = "cargo tree --locked --edges normal --depth 1 --prefix none --format '{lib}'"
    steps = [
        cargo("format", "fmt", "--all", "--check", "--", "--color=never"),
        *(cargo(f"format of {name}", "fmt", "--manifest-path", f"{name}/Cargo.toml", "--check", "--", "--color=never")
          for name in ("fuzz", "benches")),
        Step("dependencies", ["bash", "-c", f"diff <(printf '%s\\n' talkback {names} | sort) <({tree} | sort)"]),
        # with what is off by default and costs little to build; without it below
        cargo("lints", "clippy", "--locked", "--all-targets", "--features", "rooms,tracing", "--", "-D", "warnings"),
        cargo("documentation", "doc", "--locked", "--no-deps", "--features", "rooms,tracing", RUSTDOCFLAGS="-D warnings"),
        cargo("tests", "test", "--locked", "--no-fail-fast", "--features", "rooms,tracing", count=cargo_tests),
    ]
    if not quick:
        steps.extend(
            cargo(f"lints with {name}", "clippy", "--locked", "--all-targets", "--no-default-features", *features, "--", "-D", "warnings")
            for name, features in (("no feature", []), ("the default ones", ["--features", "default"]), ("server alone", ["--features", "server"]), ("rooms alone", ["--features", "rooms"]), ("the rest", ["--features", "deflate,simd,wide"])))
        steps.append(cargo("tests with no feature", "test", "--locked", "--no-fail-fast", "--no-default-features", count=cargo_tests))
        steps.append(cargo("tests of masking with wide", "test", "--locked", "--lib", "--features", "wide", "mask", count=cargo_tests))
        steps.append(Step("instructions", [sys.executable, "benches/codec/instructions.py"], last_line))
        steps.append(Step("footprint", [sys.executable, "benches/footprint/measure.py", "--check"], last_line))
    return steps


def setup_steps():
    """What is fetched; most of it is waiting for the network."""
    return [
        Step("set-up of Autobahn", ["tests/autobahn/setup.sh", CACHE / "autobahn" / "venv"]),
        Step("set-up of the peers", ["tests/peers/run.sh", "--setup"]),
        Step("set-up of the browser", ["npm", "ci", "--no-audit", "--no-fund"], folder=ROOT / "tests" / "browser"),
    ]


def example_steps(quick):
    """The examples, built for release, against everybody else's programs, and in a browser."""
    only = ["--quick"] if quick else []
    examples = TARGET / "release" / "examples"
    environment = {"EXAMPLES": str(examples), "CHAT_BIN": str(examples / "chat"), "ROOMS_BIN": str(examples / "rooms")}
    peers = [
        Step("autobahn", [sys.executable, "tests/autobahn/run.py", *only], last_line, environment=environment, seconds=1860),
        Step("peers", ["tests/peers/run.sh"], last_line, environment=environment),
    ]
    browser = [
        Step(f"browser: {name}", ["node", f"{name}.test.mjs"], last_line, ROOT / "tests" / "browser", environment)
        for name in ("client", "chat", "links", "bytes", "curl", *(() if quick else ("compare", "drops")))
    ]
    return peers, browser


async def run_all(run, quick):
    """Every step, in the order that keeps both processors busy and the timing of tests honest."""
    async with asyncio.TaskGroup() as group:
        group.create_task(run.steps(*setup_steps()))
        group.create_task(run.steps(*crate_steps(quick)))
    both = example_steps(quick)
    if await run.step(cargo("examples", "build", "--release", "--locked", "--examples", "--features", "rooms")):
        async with asyncio.TaskGroup() as group:  # the browser waits for most of its time
            for steps in both:
                group.create_task(run.steps(*steps))
    else:
        for step in itertools.chain(*both):  # what an earlier run left there is not to be judged
            run.add(step.name, 0, 1, 0, ["the examples were not built"])
    seconds = "2" if quick else "30"
    await run.step(Step("fuzz", [sys.executable, "tests/fuzz.py", "--seconds", seconds], last_line, seconds=1500))
    begun = time.monotonic()
    strays = await end_strays(grace=5)
    run.add("nothing left running", not strays, bool(strays), time.monotonic() - begun,
            [f"{pid} {name}" for pid, name in strays.items()])


async def main(quick):
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, task.cancel)
    run = Run()
    try:
        await run_all(run, quick)
    except asyncio.CancelledError:
        await end_strays(grace=0)
        sys.exit("interrupted")
    print(f"logs are in {LOGS}, pictures in {ARTIFACTS}, {time.monotonic() - run.begun:.0f} s in all")
    print(f"{run.passed} passed, {run.failed} failed")
    return 1 if run.failed else 0


def alone():
    """A lock on the cache folder, held while this process lives, and its folders made new."""
    CACHE.mkdir(parents=True, exist_ok=True)
    lock = open(CACHE / "lock", "w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print(f"another run uses {CACHE}: waiting for its end", flush=True)
        fcntl.flock(lock, fcntl.LOCK_EX)
    for folder in (LOGS, ARTIFACTS):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
    return lock


if __name__ == "__main__":
    held = alone()
    adopt_orphans = 36  # PR_SET_CHILD_SUBREAPER: see descendants()
    ctypes.CDLL(None).prctl(adopt_orphans, 1, 0, 0, 0)
    sys.exit(asyncio.run(main("--quick" in sys.argv[1:])))
