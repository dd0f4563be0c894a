"""One reply of a server: read whole within its time and size, in a thread that nobody waits for longer."""

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import ModuleType
from typing import Any

LARGEST = 1 << 20
"""Bytes of a reply that holds one word and perhaps some thinking."""
GRACE = 0.5
"""Seconds for the connection's own timeout to say what took so long."""


@dataclass(frozen=True)
class Reply:
    """A server's reply: status, content, and the seconds that it asks to wait for."""

    status: int
    content: bytes
    retry_after: float


class TooLarge(Exception):
    """A reply of more than `LARGEST` bytes."""


def fetched(httpx: ModuleType, url: str, body: Mapping[str, Any], headers: Mapping[str, str], timeout: float) -> Reply:
    """The reply to a POST.

    Raises:
        httpx.RequestError: it can't be had, or isn't whole in time.
        TooLarge: it is larger than `LARGEST`.
    """
    found: list[Reply | BaseException] = []

    def read() -> None:
        try:
            found.append(_read(httpx, url, body, headers, timeout))
        except BaseException as error:  # raised below, where somebody waits for it
            found.append(error)

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    thread.join(timeout + GRACE)
    if not found:  # a server that sends a byte now and then never runs into a timeout of single reads
        raise httpx.ReadTimeout("the whole reply took too long")
    if isinstance(found[0], BaseException):
        raise found[0]
    return found[0]


def _read(httpx: ModuleType, url: str, body: Mapping[str, Any], headers: Mapping[str, str], timeout: float) -> Reply:
    end, content = time.monotonic() + timeout, b""
    with httpx.stream("POST", url, json=body, headers=headers, timeout=timeout) as response:
        for part in response.iter_bytes():
            content += part
            if len(content) > LARGEST:
                raise TooLarge
            if time.monotonic() > end:
                raise httpx.ReadTimeout("the whole reply took too long")
        return Reply(response.status_code, content, _seconds(response.headers.get("Retry-After", "")))


def _seconds(said: str) -> float:
    """The header Retry-After: seconds or a date."""
    try:
        return max(0.0, float(said))
    except ValueError:
        pass
    try:
        return max(0.0, (parsedate_to_datetime(said) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return 0.0
