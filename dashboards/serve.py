"""Start Streamlit, protected, with its options from the command line alone: no file of this folder is obeyed.

Run as a file by Python with `-P`, so that no module is taken from that folder either.
"""

import sys
from pathlib import Path

ROOT = str(Path(__file__).resolve().parent.parent)
"""Where `inspector` and `dashboards` are."""


def main() -> None:
    """Run Streamlit's command with the arguments of this one."""
    if ROOT not in sys.path:  # a checkout that isn't installed
        sys.path.insert(0, ROOT)
    from streamlit import config
    from streamlit.web import cli

    if not callable(getattr(config, "get_config_files", None)):
        sys.exit("inspector: this Streamlit would read options from files. Install another: pip install -U streamlit")
    config.get_config_files = _no_files
    from dashboards.protection import protect

    try:
        protect()
    except (AttributeError, ImportError) as error:
        sys.exit(f"inspector: this Streamlit can't be kept safe ({error}). Install another: pip install -U streamlit")
    cli.main(prog_name="streamlit")


def _no_files(name: str) -> list[str]:
    """Files of options or secrets that Streamlit may read: none, in no folder."""
    return []


if __name__ == "__main__":
    main()
