"""The server under test: the example `chat`, which has a port for each way, and counts what goes through it."""

import json
import os
import pathlib
import subprocess
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ["cargo", "build", "--release", "--features", "rooms", "--example", "chat", "--message-format", "json"]


def build():
    """Builds the example; where it is."""
    built = subprocess.run(BUILD, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
    artifacts = [json.loads(line) for line in built.splitlines()]
    return next(one["executable"] for one in artifacts if one.get("target", {}).get("name") == "chat")


class Server:
    """A process of its own, on free ports. Ends with the `with` block."""

    def __init__(self, executable):
        self.process = subprocess.Popen([executable, "127.0.0.1:0"], stdout=subprocess.PIPE, text=True)
        self.address = self.process.stdout.readline().split("http://")[1].strip().rstrip("/")
        columns = self.get("/columns")
        self.ports = {one["transport"]: int(one["origin"].rsplit(":", 1)[1]) for one in columns}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(10)

    def get(self, path):
        with urllib.request.urlopen(f"http://{self.address}{path}", timeout=10) as answer:
            return json.load(answer)

    @property
    def port(self):
        return int(self.address.rsplit(":", 1)[1])

    def meter(self, column):
        """Requests, bytes up and bytes down of a column so far, and the CPU seconds of the whole process."""
        meter = self.get("/meters")[column]
        return {
            "requests": meter["requests"], "up": meter["received"], "down": meter["sent"],
            # The clock of another process: clock_getcpuclockid(3).
            "cpu": time.clock_gettime((~self.process.pid << 3) | 2),
        }

    def resident_len(self):
        rollup = pathlib.Path(f"/proc/{self.process.pid}/smaps_rollup").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in rollup if line.startswith("Rss:"))


def difference(after, before):
    return {name: after[name] - before[name] for name in before}


def allow_sockets(count):
    """Has this process, and those that it starts, open so many descriptors."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < count:
        raise SystemExit(f"{count} descriptors are needed, and {hard} allowed: see ulimit -Hn, or take fewer with --idle")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, count), hard))


def machine():
    """What ran all this, in a few words."""
    lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    name = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), "unknown CPU")
    version = subprocess.run(["rustc", "--version"], stdout=subprocess.PIPE, text=True).stdout.split()
    return f"{os.cpu_count()} cores of {name}, Linux, rustc {version[1] if len(version) > 1 else '?'}"
