"""Run apart, as a process that can be ended: a chat template that multiplies, on turns of a chat.

Takes {"template", "turns", "tokens"} on standard input. Ends with `TOO_LARGE` where the template takes too much
memory; whatever else goes wrong in it is met again, and said, where it is rendered.
"""

import json
import sys
from pathlib import Path

MEMORY = 1 << 30
"""Bytes that rendering may take beyond what is taken before."""
TOO_LARGE = 77


def main() -> int:
    """Render the template once, after a line that says that it has started."""
    from transformers.utils.chat_template_utils import render_jinja_template

    print("ready", flush=True)
    asked = json.loads(sys.stdin.buffer.read())
    _limit_memory()
    try:
        render_jinja_template(
            [asked["turns"]], chat_template=asked["template"], add_generation_prompt=True, **asked["tokens"]
        )
    except (MemoryError, OverflowError):
        return TOO_LARGE
    except Exception:  # met again where it is rendered, and said there
        return 0
    return 0


def _limit_memory() -> None:
    try:
        import resource
    except ImportError:  # Windows
        return
    statm = Path("/proc/self/statm")
    pages = int(statm.read_text().split()[0]) if statm.exists() else 0
    limit = MEMORY + pages * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


if __name__ == "__main__":
    sys.exit(main())
