"""What the server refuses: frames, pages of other origins, anything from outside, and asking for its own address."""

import base64
import hashlib
import re
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

LOCAL = {"localhost", "127.0.0.1", "::1"}
"""This machine, where any other program may serve pages, too: on another port it is another origin."""

Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Callable[[], Awaitable[Message]], Send], Awaitable[None]]


class Headers:
    """Adds to every answer what a browser must not do with it, as a layer around the application."""

    def __init__(self, app: Application, headers: list[tuple[bytes, bytes]]) -> None:
        self.app, self.headers = app, headers

    async def __call__(self, scope: Message, receive: Callable[[], Awaitable[Message]], send: Send) -> None:
        """Answer as the application does, with the headers."""

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *self.headers]
            await send(message)

        await self.app(scope, receive, with_headers)


def headers(index: str) -> list[tuple[bytes, bytes]]:
    """The headers for a server whose page is `index`: only its own scripts run, and nothing is loaded from outside.

    Figures need styles in the page, and pictures that the page makes itself (`data:`, `blob:`).
    """
    scripts = " ".join(f"'sha256-{_hash(body)}'" for body in re.findall(r"<script>(.*?)</script>", index, re.DOTALL))
    policy = {
        "default-src": "'self'",
        "script-src": f"'self' 'wasm-unsafe-eval' {scripts}",
        "style-src": "'self' 'unsafe-inline'",
        "img-src": "'self' data: blob:",
        "media-src": "'self' data: blob:",
        "font-src": "'self' data:",
        "worker-src": "'self' blob:",
        "object-src": "'none'",
        "base-uri": "'self'",
        "form-action": "'self'",
        "frame-ancestors": "'none'",
    }
    said = "; ".join(f"{name} {value}" for name, value in policy.items())
    return [
        (b"content-security-policy", said.encode()),
        (b"x-frame-options", b"DENY"),
        (b"x-content-type-options", b"nosniff"),
        (b"referrer-policy", b"no-referrer"),
        (b"cross-origin-opener-policy", b"same-origin"),
    ]


def _hash(body: str) -> str:
    return base64.b64encode(hashlib.sha256(body.encode()).digest()).decode()


def is_trusted(origin: str, hosts: list[str]) -> bool:
    """Whether a page of an origin that isn't the server's own may talk to it.

    A proxy in front may send the server's local address as the host: then the browser's origin is a host that the
    operator allowed by name, on the web's own port. Other programs of this machine are never trusted.
    """
    try:
        parts = urlsplit(origin)
        named, port = parts.hostname or "", parts.port
    except ValueError:
        return False
    return port is None and parts.scheme in ("http", "https") and named in {host.lower() for host in hosts} - LOCAL


def protect() -> None:
    """Make Streamlit, before it starts, refuse all of this.

    Raises:
        AttributeError: this Streamlit has other names for what is changed here.
    """
    import streamlit
    from streamlit import config, net_util
    from streamlit.web.server.starlette import starlette_app, starlette_websocket

    made = starlette_app.create_streamlit_middleware
    index = (Path(streamlit.__file__).parent / "static" / "index.html").read_text(encoding="utf-8")
    added = headers(index)

    def middleware() -> list[Any]:
        from starlette.middleware import Middleware

        return [Middleware(Headers, headers=added), *made()]

    def trusted(origin: str) -> bool:
        return is_trusted(origin, list(config.get_option("server.allowedHosts")))

    replaced = (
        (starlette_app, "create_streamlit_middleware", middleware),
        (starlette_websocket, "is_url_from_allowed_origins", trusted),
        (net_util, "get_external_ip", _unknown),  # it asks a stranger
        (net_util, "get_internal_ip", _unknown),
    )
    for module, name, better in replaced:
        getattr(module, name)  # one that isn't there would be replaced without effect
        setattr(module, name, better)


def _unknown() -> None:
    """An address that nobody looked up."""
