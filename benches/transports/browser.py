"""The page of the comparison in a real browser: what its six columns cost, the automatic one among them."""

import os
import shutil
import subprocess
import sys
import tempfile
import time

from server import Server, difference

NAMES = ["chromium", "chromium-browser", "google-chrome"]
COLUMNS = {
    "polling": "polling, every 2 s", "long-polling": "long polling", "streaming": "HTTP streaming",
    "events": "server-sent events", "websocket": "WebSocket", "automatic": "automatic",
}
BEFORE = 6  # seconds until all columns have connected, and the page publishes


def place(server):
    """How many messages the page has published."""
    return int(server.get("/rooms/compare/messages?after=end")["cursor"].split("-")[1])


def look(executable, seconds):
    """Requests and bytes a message of each column; nothing without a browser."""
    browser = next((found for name in NAMES if (found := shutil.which(name))), None)
    if browser is None:
        return {}
    print(f"{browser}, {seconds} s", file=sys.stderr)
    with Server(executable) as server, tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        command = [browser, "--headless", "--disable-gpu", f"--user-data-dir={folder}", "--remote-debugging-port=0"]
        command += ["--no-sandbox"] if os.geteuid() == 0 else []
        process = subprocess.Popen([*command, f"http://{server.address}/compare"], stderr=subprocess.DEVNULL)
        try:
            time.sleep(BEFORE)
            first, before = place(server), {column: server.meter(column) for column in COLUMNS}
            time.sleep(seconds)
            count, after = place(server) - first, {column: server.meter(column) for column in COLUMNS}
        finally:
            process.terminate()
            process.wait(10)
    if count == 0:
        raise OSError("the page in the browser doesn't publish")
    found = {}
    for column, name in COLUMNS.items():
        spent = difference(after[column], before[column])
        found[name] = {what: spent[what] / count for what in ("requests", "up", "down")}
    return found
