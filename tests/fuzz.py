#!/usr/bin/env python3
"""Runs every fuzz target of fuzz/Cargo.toml for a short while, two at a time.

usage: fuzz.py [--seconds N] [--package FOLDER]

Builds with the flags of cargo-fuzz (libFuzzer's coverage, AddressSanitizer, debug assertions), but
does not need it: with the nightly toolchain where there is one, else with RUSTC_BOOTSTRAP=1 and the
default toolchain. FUZZ_TOOLCHAIN names another one. Each target starts from a copy of its seeds in
corpus/TARGET, so the tree stays clean; what made it crash is kept in the cache folder and shown.
"""
import argparse
import asyncio
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
CACHE = pathlib.Path(
    os.environ.get("TALKBACK_CACHE")
    or pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "talkback"
)
COVERAGE = [
    "-Cpasses=sancov-module", "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters", "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
]
FLAGS = ["--cfg", "fuzzing", "-Cdebug-assertions", "-Coverflow-checks", "-Ccodegen-units=1", *COVERAGE, "-Zsanitizer=address"]


def output_of(*argv):
    return subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, check=True, cwd=ROOT).stdout


def toolchain():
    """The `+name` for cargo and rustc, if any, and what the environment needs for -Z flags."""
    name = os.environ.get("FUZZ_TOOLCHAIN")
    if name is None and shutil.which("rustup"):
        names = [line.split()[0] for line in output_of("rustup", "toolchain", "list").splitlines() if line.strip()]
        name = next((name for name in names if name.startswith("nightly")), None)
    plus = [f"+{name}"] if name else []
    version = output_of("rustc", *plus, "-vV")
    environment = {} if "-nightly" in version else {"RUSTC_BOOTSTRAP": "1"}
    return plus, environment, re.search(r"^host: (.+)$", version, re.M)[1]


def build(package):
    """Builds all targets; returns their names and the folder that has them."""
    plus, environment, host = toolchain()
    manifest = ["--manifest-path", package / "Cargo.toml"]
    metadata = json.loads(output_of("cargo", "metadata", "--no-deps", "--format-version", "1", *manifest))
    names = [target["name"] for target in metadata["packages"][0]["targets"] if "bin" in target["kind"]]
    folder = pathlib.Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target") / "fuzz"
    # with --target the flags are for the targets alone, not for build scripts
    subprocess.run(
        ["cargo", *plus, "build", "--release", "--bins", "--locked", "--target", host, "--target-dir", folder, *manifest],
        cwd=ROOT, stdin=subprocess.DEVNULL, check=True,
        env=dict(os.environ, **environment, CARGO_ENCODED_RUSTFLAGS="\x1f".join(FLAGS),
                 CARGO_PROFILE_RELEASE_DEBUG="line-tables-only", CARGO_PROFILE_RELEASE_LTO="false"))
    return sorted(names), folder / host / "release"


def shown(path):
    """The input that made a target crash, as a hex dump of its first 512 bytes."""
    data = path.read_bytes()
    rows = [f"  {at:04x}  {data[at:at + 16].hex(' ')}  {data[at:at + 16]!r}" for at in range(0, min(len(data), 512), 16)]
    return "\n".join([f"input of {len(data)} bytes, kept as {path}:", *rows])


async def run_target(binary, seeds, seconds, kept):
    """Runs one target; returns whether it is sound, and what to say of it."""
    kept.mkdir()
    if not seeds.is_dir() or not any(seeds.iterdir()):
        return False, f"no seeds in {seeds}"
    with tempfile.TemporaryDirectory() as corpus:
        shutil.copytree(seeds, corpus, dirs_exist_ok=True)
        process = await asyncio.create_subprocess_exec(
            binary, corpus, f"-max_total_time={seconds}", "-timeout=10", "-rss_limit_mb=2048", "-detect_leaks=0",
            "-print_final_stats=1", f"-artifact_prefix={kept}/",
            env=dict(os.environ, ASAN_OPTIONS="detect_leaks=0", RUST_BACKTRACE="1"),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        try:
            output = (await asyncio.wait_for(process.communicate(), seconds + 60))[0].decode(errors="replace")
        except asyncio.TimeoutError:
            return False, f"did not end within {seconds + 60} s"
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
    inputs = sorted(kept.iterdir())
    (kept / "log").write_text(output)
    if process.returncode != 0 or inputs:
        lines = output.splitlines()
        first = next((at for at, line in enumerate(lines) if "panicked at" in line or "ERROR:" in line), 0)
        return False, "\n".join([f"ended with status {process.returncode}", *lines[first:first + 20], *map(shown, inputs)])
    executed = re.search(r"stat::number_of_executed_units:\s*(\d+)", output)
    if executed is None or int(executed[1]) == 0:
        return False, "executed nothing"
    coverage = re.findall(r" cov: (\d+)", output)
    if not coverage or int(coverage[-1]) == 0:
        return False, "saw no coverage: it was not instrumented"
    return True, f"{executed[1]} inputs, coverage {coverage[-1]}"


async def run(names, folder, package, seconds, kept):
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, task.cancel)
    two = asyncio.Semaphore(2)

    async def one(name):
        async with two:
            sound, said = await run_target(folder / name, package / "corpus" / name, seconds, kept / name)
        print(f"{'ok' if sound else 'FAIL'} {name}: {said}", flush=True)
        return sound

    async with asyncio.TaskGroup() as group:  # waits for all also when it is cut off
        tasks = [group.create_task(one(name)) for name in names]
    return [task.result() for task in tasks]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=30)
    parser.add_argument("--package", type=pathlib.Path, default=ROOT / "fuzz")
    options = parser.parse_args()
    kept = CACHE / "fuzz"
    shutil.rmtree(kept, ignore_errors=True)
    kept.mkdir(parents=True)
    package = options.package.resolve()
    try:
        names, folder = build(package)
        sound = asyncio.run(run(names, folder, package, options.seconds, kept))
    except subprocess.CalledProcessError as error:
        sys.exit(f"{error.cmd[0]} ended with status {error.returncode}")
    except asyncio.CancelledError:
        sys.exit("interrupted")
    failed = sound.count(False)
    print(f"{sound.count(True)} passed, {failed} failed")
    return 1 if failed or not sound else 0


if __name__ == "__main__":
    sys.exit(main())
