"""Tables and plain values written to a file that the user named."""

import json
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inspector.errors import InputError
from inspector.places import write_whole

if TYPE_CHECKING:
    import pandas as pd

SUFFIXES = (".csv", ".parquet")


def refuse_table(path: Path, *, overwrite: bool) -> None:
    """Say before any work where a table can't be written to this path.

    Raises:
        InputError: another suffix, a folder that isn't there, or a file that is.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise InputError(f"'{path}' is neither .csv nor .parquet. Name it after one of them.")
    refuse_file(path, overwrite=overwrite)


def refuse_data(path: Path, *, overwrite: bool) -> None:
    """Say before any work where plain values can't be written to this path.

    Raises:
        InputError: another suffix, a folder that isn't there, or a file that is.
    """
    if path.suffix.lower() not in (".json", ".yaml", ".yml"):
        raise InputError(f"'{path}' is neither .json nor .yaml. Name it after one of them.")
    refuse_file(path, overwrite=overwrite)


def refuse_file(path: Path, *, overwrite: bool) -> None:
    """Say before any work where a file can't be written to this path.

    Raises:
        InputError: a folder that isn't there, or a file that is.
    """
    if not path.parent.is_dir():
        raise InputError(f"'{path}' can't be written: there is no folder '{path.parent}'. Make it.")
    if path.exists() and not overwrite:
        raise InputError(f"'{path}' exists. Use --overwrite, or another name.")


def write_table(table: "pd.DataFrame", path: Path) -> None:
    """Write a table by its path's suffix; a full disk or a kill leaves what was there before.

    Raises:
        InputError: the place can't be written.
    """
    written = BytesIO()
    if path.suffix.lower() == ".csv":
        table.to_csv(written, index=False, lineterminator="\n", encoding="utf-8")
    else:
        table.to_parquet(written, index=False)
    write_file(path, written.getvalue())


def write_data(data: Mapping[str, Any], path: Path) -> Path:
    """Write plain values as JSON or YAML, by the path's suffix.

    Raises:
        InputError: the place can't be written.
    """
    from inspector.run.disk import plain

    if path.suffix.lower() in (".yaml", ".yml"):
        import yaml

        write_file(path, yaml.safe_dump(plain(data), sort_keys=False, allow_unicode=True))
    else:
        write_file(path, json.dumps(plain(data), indent=2, ensure_ascii=False) + "\n")
    return path


def write_file(path: Path, content: str | bytes) -> None:
    """Write a file; a full disk or a kill leaves what was there before.

    Raises:
        InputError: the place can't be written.
    """
    try:
        write_whole(path, content)
    except OSError as error:
        raise InputError(f"'{path}' can't be written: {error.strerror}. Choose another place.") from error
