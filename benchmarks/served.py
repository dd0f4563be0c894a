"""A dashboard by its own command, for as long as a program looks at it, and the browser that it looks with."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
"""Of Chromium: without the last ones it asks strangers at every start."""
PLACE = """(plot, [x, y]) => { const box = plot.getBoundingClientRect(), f = plot._fullLayout;
return [box.x + f.xaxis._offset + f.xaxis.d2p(x), box.y + f.yaxis._offset + f.yaxis.d2p(y)]; }"""
"""Script that finds where a Plotly figure's coordinates are in the window."""
READY = 120.0
"""Seconds in which the server must be there."""


def chromium(driver: Any) -> Any:
    """Debian's Chromium, opened by Playwright.

    Raises:
        FileNotFoundError: it isn't installed.
    """
    path = shutil.which("chromium")
    if path is None:
        raise FileNotFoundError("no Chromium: apt-get install chromium (Debian's; nothing is downloaded by playwright)")
    return driver.chromium.launch(executable_path=path, args=list(FLAGS))


@dataclass(frozen=True)
class Served:
    """A running dashboard: its address, what it prints, and the number of its process."""

    address: str
    log: Path
    pid: int


@contextmanager
def serving(runs: Path, log: Path) -> Iterator[Served]:
    """The dashboard of this folder, until the context ends.

    Raises:
        RuntimeError: it doesn't start.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "inspector.cli.main", "dashboard", str(runs), "--port", str(port)]
    env = {**os.environ, "HF_HUB_OFFLINE": "1"}
    with log.open("w") as out:  # a pipe that nobody reads would fill up and stop the server
        process = subprocess.Popen(command, stdout=out, stderr=out, env=env, start_new_session=True)
    try:
        _wait(f"http://127.0.0.1:{port}/_stcore/health", process, log)
        yield Served(f"http://127.0.0.1:{port}", log, process.pid)
    finally:
        os.killpg(process.pid, 15)
        process.wait(20)


def _wait(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + READY
    while time.monotonic() < end and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                if answer.status == 200:
                    return
        except OSError:
            time.sleep(0.2)
    raise RuntimeError(f"The dashboard doesn't start: {log.read_text()}")
