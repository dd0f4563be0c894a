"""The command `dashboard`: serve the screens on this machine, with everything switched off that isn't needed."""

import os
import socket
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

import inspector
from inspector.errors import InputError
from inspector.printable import printable

LOCAL = ("127.0.0.1", "localhost")
UPLOAD_MB = 200
JOB_MINUTES, JOB_TOKENS = 60.0, 50_000
"""What one job of a visitor may take, where the operator says nothing."""
SERVE = Path(str(inspector.__file__)).parent.parent / "dashboards" / "serve.py"
"""Beside this package: a folder `dashboards` where the command is given is somebody else's."""
FONT = "system-ui, -apple-system, Segoe UI, Roboto, sans-serif"
MONO = "ui-monospace, SFMono-Regular, Menlo, Consolas, monospace"

THEME = {
    "theme.font": FONT,
    "theme.headingFont": FONT,
    "theme.codeFont": MONO,
    "theme.baseRadius": "8px",
    "theme.baseFontSize": "15",
    "theme.showWidgetBorder": "true",
    "theme.light.primaryColor": "#364252",
    "theme.light.backgroundColor": "#FFFFFF",
    "theme.light.secondaryBackgroundColor": "#F3F4F6",
    "theme.light.textColor": "#1B1F24",
    "theme.light.linkColor": "#1864AB",
    "theme.light.borderColor": "#DDE1E6",
    "theme.dark.primaryColor": "#B4C0CF",
    "theme.dark.backgroundColor": "#14171B",
    "theme.dark.secondaryBackgroundColor": "#1E2228",
    "theme.dark.textColor": "#E8EBEF",
    "theme.dark.linkColor": "#74C0FC",
    "theme.dark.borderColor": "#353B44",
}
"""Streamlit's theme options."""


def dashboard(
    runs: Annotated[Path, typer.Argument(help="Folder of runs.")] = Path("runs"),
    port: Annotated[int, typer.Option(help="Port to serve on.", min=1, max=65535)] = 8501,
    host: Annotated[
        str, typer.Option(help="Address to serve on. Others than this machine's need a login in front.")
    ] = LOCAL[0],
    allow: Annotated[
        list[str] | None, typer.Option("--allow", help="A host name that the browser may use; may be repeated.")
    ] = None,
    job_minutes: Annotated[
        float, typer.Option(help="Minutes that one job of a visitor may take.", min=0.1)
    ] = JOB_MINUTES,
    job_tokens: Annotated[int, typer.Option(help="Tokens that the texts of one job may have.", min=1)] = JOB_TOKENS,
) -> None:
    """Serve the dashboard of a folder of runs in a browser."""
    if find_spec("streamlit") is None or not SERVE.is_file():
        raise InputError(
            "The dashboard needs Streamlit, which is not installed. pip install 'activation-inspector[dashboard]'"
        )
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as wanted:
        wanted.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            wanted.bind((host, port))
        except OSError as error:
            raise InputError(f"Can't serve on {host}:{port} ({error.strerror}). Try another --port.") from error
    if runs.exists() and not runs.is_dir():
        raise InputError(f"'{runs}' is not a folder. Give the folder that holds runs.")
    named = f"[{host}]" if ":" in host else host
    typer.echo(f"Dashboard of '{printable(runs)}' at http://{named}:{port} (Ctrl-C ends it)", err=True)
    started = command(runs, port, host, allow or [], job_minutes, job_tokens)
    os.execv(started[0], started)  # the server takes this process's place: what stops one stops all


def command(
    runs: Path, port: int, host: str, allow: list[str], job_minutes: float = JOB_MINUTES, job_tokens: int = JOB_TOKENS
) -> list[str]:
    """What is run: Streamlit with its options on the command line; no file and no module of this folder has a say.

    `-P` keeps this folder out of Python's path, and `serve.py` keeps Streamlit from reading files of options.
    """
    options = {
        "server.address": host,
        "server.port": str(port),
        "server.headless": "true",
        "server.fileWatcherType": "none",
        "server.maxUploadSize": str(UPLOAD_MB),
        "server.enableXsrfProtection": "true",
        "server.enableCORS": "true",
        "server.enableStaticServing": "false",
        "server.enableAgentApi": "false",
        "server.baseUrlPath": "",
        "runner.postScriptGC": "false",  # each look at a job would walk over all objects, while a model is imported
        "global.developmentMode": "false",
        "browser.gatherUsageStats": "false",
        "client.toolbarMode": "minimal",
        "client.showErrorDetails": "none",
        "client.showErrorLinks": "false",
        **THEME,
    }
    app = SERVE.parent / "app.py"
    hosts = [f"--server.allowedHosts={name}" for name in dict.fromkeys([*LOCAL, host, *allow])]
    given = [f"--{name}={value}" for name, value in options.items()]
    ours = [str(one) for one in (runs, job_minutes, job_tokens)]
    return [sys.executable, "-P", str(SERVE), "run", str(app), *given, *hosts, "--", *ours]
