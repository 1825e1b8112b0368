"""What the checks in Python share: a line for each check, the count, the examples as child processes.

EXAMPLES: the folder of the built examples.
"""
import asyncio
import contextlib
import os
import pathlib
import signal
import subprocess
import sys

EXAMPLES = pathlib.Path(os.environ["EXAMPLES"])
MIB = 1024 * 1024
SECONDS = 20

# whose checks these are: scripts are named for the peer
PEER = pathlib.Path(sys.argv[0]).stem.partition("_")[0]

counts = {True: 0, False: 0}


async def check(name, run):
    """Runs one check, with a limit on its time, and prints its line."""
    try:
        async with asyncio.timeout(SECONDS):
            await run()
    except Exception as error:  # whatever a check raises is its failure
        good, why = False, f": {type(error).__name__}: {error}"
    else:
        good, why = True, ""
    counts[good] += 1
    print(f"{'ok' if good else 'FAIL'} {PEER}: {name}{why}", flush=True)


def equal(got, expected):
    if got != expected:
        raise AssertionError(f"{str(got)[:200]!r} is not {str(expected)[:200]!r}")


@contextlib.asynccontextmanager
async def example(name, *arguments):
    """An example as a child process, ended when the block is left."""
    process = await asyncio.create_subprocess_exec(
        EXAMPLES / name, *arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, limit=4 * MIB)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def line(stream):
    return (await stream.readline()).decode()


def checked(checks):
    """Runs all checks, prints the count, and ends."""
    async def run():
        task = asyncio.current_task()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, task.cancel)
        await checks()

    asyncio.run(run())
    print(f"{counts[True]} passed, {counts[False]} failed")
    sys.exit(1 if counts[False] else 0)
