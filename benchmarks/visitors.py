"""Many visitors of one dashboard at once: what they wait for a page, what fails, and what memory the server holds.

The dashboard is started by its own command on a folder of runs. Each visitor has a connection of its own, as a browser
has, and opens one page after another, with a pause to look at it; a page is there once the server has drawn all of it.

    python -m benchmarks.visitors RUNS --run NAME [--visitors 50] [--seconds 60]
"""

import argparse
import asyncio
import random
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlencode

import numpy as np
import psutil
import websockets
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from benchmarks.served import serving

PAGES = ("", "massive", "sinks", "neurons", "interventions", "compare", "runs")
LOOKS = (2.0, 8.0)
"""Seconds that a visitor looks at a page, from and to."""
FAILED = "This page failed"
"""How the dashboard says that a page has a fault."""
DRAWN = ForwardMsg.ScriptFinishedStatus.Value("FINISHED_SUCCESSFULLY")


@dataclass
class Seen:
    """What all visitors met.

    Args:
        waits: seconds for each page that was drawn.
        faults: what a page or a connection failed with.
        memory: bytes that the server held, by the second since the first visitor came.
    """

    waits: list[float] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    memory: list[tuple[float, int]] = field(default_factory=list)


async def visit(address: str, number: int, run: str, until: float, seen: Seen) -> None:
    """One visitor, until it is late."""
    draw = random.Random(number)
    await asyncio.sleep(draw.uniform(0, LOOKS[1]))
    stream = f"ws{address.removeprefix('http')}/_stcore/stream"
    async with websockets.connect(stream, origin=address, subprotocols=["streamlit"], max_size=None) as line:
        while time.monotonic() < until:
            began = time.monotonic()
            await line.send(_wish(draw.choice(PAGES), run, draw))
            await _drawn(line, seen)
            seen.waits.append(time.monotonic() - began)
            await asyncio.sleep(draw.uniform(*LOOKS))


def _wish(page: str, run: str, draw: random.Random) -> bytes:
    """A visitor's message that asks for a page."""
    wish = BackMsg()
    wish.rerun_script.page_name = page
    wish.rerun_script.query_string = urlencode({"run": run, "layer": draw.randrange(4), "head": draw.randrange(2)})
    return bytes(wish.SerializeToString())


async def _drawn(line: websockets.ClientConnection, seen: Seen) -> None:
    """Read what the server sends until the page is whole."""
    while True:
        message = ForwardMsg()
        message.ParseFromString(await line.recv())
        kind = message.WhichOneof("type")
        if kind == "delta":
            element = message.delta.new_element
            if element.WhichOneof("type") == "exception":
                seen.faults.append(element.exception.message)
            elif FAILED in element.html.body:
                seen.faults.append(element.html.body)
        if kind == "page_not_found":
            seen.faults.append(f"no page {message.page_not_found.page_name!r}")
        if kind == "script_finished" and message.script_finished == DRAWN:
            return


async def _watch(server: psutil.Process, until: float, seen: Seen) -> None:
    began = time.monotonic()
    while time.monotonic() < until:
        held = [one.memory_info().rss for one in (server, *server.children(recursive=True))]
        seen.memory.append((time.monotonic() - began, sum(held)))
        await asyncio.sleep(1)


async def crowd(address: str, server: psutil.Process, run: str, visitors: int, seconds: float) -> Seen:
    """All of them at once."""
    seen, until = Seen(), time.monotonic() + seconds
    all_of_them = [visit(address, number, run, until, seen) for number in range(visitors)]
    ends = await asyncio.gather(*all_of_them, _watch(server, until, seen), return_exceptions=True)
    seen.faults += [f"{type(end).__name__}: {end}" for end in ends if isinstance(end, BaseException)]
    return seen


def said(seen: Seen, log: str) -> str:
    """What was met, in a few lines."""
    half = len(seen.memory) // 2
    first, second = (max(size for _, size in part) / 1e6 for part in (seen.memory[:half], seen.memory[half:]))
    middle, late, last = np.quantile(seen.waits, [0.5, 0.95, 1.0])
    lines = [
        f"{len(seen.waits):,} pages drawn, {len(seen.faults)} faults, {log.count('Traceback')} tracebacks in the log",
        f"seconds for a page: median {middle:.2f}, 95 % {late:.2f}, longest {last:.2f}",
        f"memory: at most {first:,.0f} MB in the first half, {second:,.0f} MB in the second",
    ]
    return "\n".join([*lines, *sorted(set(seen.faults))[:5]])


def main() -> None:
    """Start the dashboard, let them in, say what they met."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path)
    parser.add_argument("--run", required=True, help="the run that they look at")
    parser.add_argument("--visitors", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=60.0)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "server.txt"
        with serving(asked.runs, log) as server:
            process = psutil.Process(server.pid)
            seen = asyncio.run(crowd(server.address, process, asked.run, asked.visitors, asked.seconds))
        print(said(seen, log.read_text()))
    sys.exit(bool(seen.faults))


if __name__ == "__main__":
    main()
