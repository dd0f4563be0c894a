"""The command `dashboard`: what it starts, and what it says where it can't."""

import socket
from pathlib import Path
from typing import Any

import pytest

from inspector.cli import dashboard as cli_dashboard


def test_without_streamlit_one_line_says_what_to_install(
    command: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cli_dashboard, "find_spec", lambda name: None)
    done = command("dashboard")
    assert done.code == 2
    assert done.err.strip().count("\n") == 0 and "pip install 'activation-inspector[dashboard]'" in done.err


def test_a_port_that_is_taken_is_named(command: Any) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = command("dashboard", "--port", str(port))
    assert done.code == 2 and f"127.0.0.1:{port}" in done.err


@pytest.mark.skipif(not socket.has_ipv6, reason="this machine has no IPv6")
def test_an_ipv6_address_is_shown_in_brackets(command: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(cli_dashboard.os, "execv", lambda path, given: None)
    done = command("dashboard", str(tmp_path), "--host", "::1", "--port", "8943")
    assert done.code == 0 and "http://[::1]:8943" in done.err


def test_the_app_that_is_started_is_the_installed_one(
    command: Any,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    started: list[list[str]] = []
    monkeypatch.setattr(cli_dashboard.os, "execv", lambda path, given: started.append(given))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    assert command("dashboard", str(tmp_path), "--port", str(port)).code == 0
    (given,) = started
    app = Path(given[4])
    assert given[1] == "-P" and Path(given[2]).is_file()
    assert app.is_file() and app.parts[-2:] == ("dashboards", "app.py")
    assert f"--server.port={port}" in given and given[-3:] == [str(tmp_path), "60.0", "50000"]
