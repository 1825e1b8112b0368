#!/usr/bin/env python3
"""Runs the Autobahn WebSocket test suite against the examples, all that is named side by side.

usage: run.py [--quick] [server] [private] [client]

server: the suite is the client, the example `echo` is tested.
private: the same with `echo --private`, compression (12.* and 13.*) alone. The suite's client always
    offers client_no_context_takeover; this server lets it keep its context nevertheless.
client: the suite is the server, the example `autobahn_client` is tested.
--quick leaves out the cases 9.* (large messages), 12.* and 13.* (compression), and so the role private.

The release builds are tested; they are built first unless EXAMPLES names a folder that has
them. The suite's venv, the reports and the logs live in the cache folder, not in the tree.
"""
import asyncio
import contextlib
import fcntl
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
CACHE = pathlib.Path(
    os.environ.get("TALKBACK_CACHE")
    or pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "talkback"
)
FOLDER = CACHE / "autobahn"
WSTEST = FOLDER / "venv" / "bin" / "wstest"

# The suite's patterns: "*" is any text, and a match need not reach to the end of the case's number.
LARGE = ["9.*"]
COMPRESSED = ["12.*", "13.*"]
# how many cases there are in all, and without LARGE and COMPRESSED
CASES = {"server": (["*"], 517, 247), "private": (COMPRESSED, 216, 0), "client": (["*"], 517, 247)}
RUN_SECONDS = 1800  # all of it takes some 12 minutes on two cores that do nothing else
START_SECONDS = 30
AGENT = "talkback"
SHOWN = 30  # how many failures of a role are printed


class Failure(Exception):
    """The suite could not be run to its end."""


@contextlib.asynccontextmanager
async def running(*argv, log):
    """A process with its output in `log`, ended when the block is left, however it is left."""
    environment = dict(os.environ, PYTHONUNBUFFERED="1", PYTHONWARNINGS="ignore")
    with open(log, "wb") as output:
        process = await asyncio.create_subprocess_exec(
            *map(str, argv), cwd=log.parent, env=environment,
            stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
            try:
                await asyncio.wait_for(process.wait(), 10)
            except asyncio.TimeoutError:
                process.kill()
                await process.wait()


async def until(condition, process, what):
    """Waits until `condition()` is true, for as long as the process lives and time is left."""
    deadline = time.monotonic() + START_SECONDS
    while not (found := condition()):
        if process.returncode is not None:
            raise Failure(f"{what} ended with status {process.returncode} before it listened")
        if time.monotonic() > deadline:
            raise Failure(f"{what} did not listen within {START_SECONDS} s")
        await asyncio.sleep(0.05)
    return found


async def ended(process, what):
    """Waits for a process to end by itself, and well."""
    try:
        status = await asyncio.wait_for(process.wait(), RUN_SECONDS)
    except asyncio.TimeoutError:
        raise Failure(f"{what} did not end within {RUN_SECONDS} s") from None
    if status != 0:
        raise Failure(f"{what} ended with status {status}")


def write_spec(folder, cases, **more):
    """The suite's settings; the reports go to a folder that is new in this run."""
    spec = folder / "spec.json"
    spec.write_text(json.dumps({"outdir": str(folder / "report"), "exclude-agent-cases": {}, **cases, **more}))
    return spec


def wstest(mode, spec):
    return [WSTEST, "--mode", mode, "--webport", "0", "--spec", spec]


async def run_server(folder, cases, examples, *options):
    """The suite connects to `echo`, once a case, and ends by itself."""
    def announced():
        for line in (folder / "echo.log").read_text(errors="replace").splitlines(keepends=True):
            if line.startswith("listening on ws://") and line.endswith("\n"):
                return line.split()[-1]
        return None

    async with running(examples / "echo", *options, "127.0.0.1:0", log=folder / "echo.log") as echo:
        url = await until(announced, echo, "echo")
        spec = write_spec(folder, cases, servers=[{"agent": AGENT, "url": url}])
        async with running(*wstest("fuzzingclient", spec), log=folder / "wstest.log") as suite:
            await ended(suite, "wstest")
        if echo.returncode is not None:
            raise Failure(f"echo ended with status {echo.returncode} during the run")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


async def run_private(folder, cases, examples):
    """A server that keeps its context, and lets the suite keep its own."""
    await run_server(folder, cases, examples, "--private")


async def run_client(folder, cases, examples):
    """`autobahn_client` asks the suite for each case; it ends when the reports are written."""
    port = free_port()

    def listening():
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return True
        return False

    url = f"ws://127.0.0.1:{port}"
    spec = write_spec(folder, cases, url=url)
    async with running(*wstest("fuzzingserver", spec), log=folder / "wstest.log") as suite:
        await until(listening, suite, "wstest")
        async with running(examples / "autobahn_client", url, log=folder / "client.log") as client:
            await ended(client, "autobahn_client")
        if suite.returncode is not None:
            raise Failure(f"wstest ended with status {suite.returncode} during the run")
    # it is ended by a signal; a status of its own tells of an exception inside it
    if suite.returncode not in (0, -signal.SIGTERM):
        raise Failure(f"wstest ended with status {suite.returncode}")


def judge(folder, count):
    """How many cases passed and failed, by check.py, with its lines for what failed."""
    index = folder / "report" / "index.json"
    if not index.exists():
        raise Failure("no report was written")
    check = subprocess.run([sys.executable, HERE / "check.py", index, str(count)],
                           stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    complaints = [line for line in check.stdout.splitlines()
                  if line != "all cases passed" and not line.startswith((f"{AGENT} behavior ", f"{AGENT} behaviorClose "))]
    if bool(complaints) != bool(check.returncode):
        raise Failure(f"check.py ended with status {check.returncode}: {check.stdout}")
    cases = json.loads(index.read_text()).get(AGENT, {})
    wrong = sum(line.split(": ")[1] in cases for line in complaints if line.startswith(f"{AGENT}: "))
    return len(cases) - wrong, complaints


async def run_role(role, quick, examples):
    """Runs one role into a fresh folder and prints a line of counts; returns passed, failed."""
    folder = FOLDER / role
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    begun = time.monotonic()
    included, all_count, quick_count = CASES[role]
    count, excluded = (quick_count, LARGE + COMPRESSED) if quick else (all_count, [])
    cases = {"cases": included, "exclude-cases": excluded}
    try:
        await {"server": run_server, "private": run_private, "client": run_client}[role](folder, cases, examples)
        passed, complaints = judge(folder, count)
    except (Failure, OSError) as error:
        passed, complaints = 0, [f"{error}: see the logs in {folder}"]
    seconds = time.monotonic() - begun
    for line in complaints[:SHOWN]:
        print(f"{role}: {line}")
    if len(complaints) > SHOWN:
        print(f"{role}: and {len(complaints) - SHOWN} more: see {folder / 'report' / 'index.html'}")
    print(f"{role}: {passed} of {count} cases passed, {len(complaints)} failed ({seconds:.0f} s)", flush=True)
    return passed, len(complaints)


def build():
    """The folder with the release builds of the two examples."""
    if os.environ.get("EXAMPLES"):
        return pathlib.Path(os.environ["EXAMPLES"]).resolve()
    subprocess.run(["cargo", "build", "--release", "--locked", "--example", "echo", "--example", "autobahn_client"],
                   cwd=ROOT, stdin=subprocess.DEVNULL, check=True)
    metadata = subprocess.run(["cargo", "metadata", "--no-deps", "--locked", "--format-version", "1"],
                              cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=True)
    return pathlib.Path(json.loads(metadata.stdout)["target_directory"]) / "release" / "examples"


async def run(roles, quick, examples):
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, task.cancel)
    async with asyncio.TaskGroup() as group:  # waits for both also when it is cut off
        tasks = [group.create_task(run_role(role, quick, examples)) for role in roles]
    return [sum(column) for column in zip(*(task.result() for task in tasks))]


def main(arguments):
    quick = "--quick" in arguments
    roles = [argument for argument in arguments if argument != "--quick"]
    if not set(roles) <= set(CASES):
        sys.exit(__doc__)
    FOLDER.mkdir(parents=True, exist_ok=True)
    with open(FOLDER / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two runs at a time would judge each other's reports
        subprocess.run([HERE / "setup.sh", WSTEST.parent.parent], stdin=subprocess.DEVNULL, check=True)
        examples = build()
        try:
            passed, failed = asyncio.run(run(roles or [role for role in CASES if not quick or CASES[role][2]], quick, examples))
        except asyncio.CancelledError:
            sys.exit("interrupted")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
