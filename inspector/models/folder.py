"""A model's folder, looked at before anything is loaded from it: whether its files are there, and whole."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import safe_open

from inspector.errors import ModelError
from inspector.models.backend import Backend
from inspector.models.declared import check_kinds, check_memory, check_sizes
from inspector.models.faults import AGAIN, one_line, reason, short

JSON_FILES = ("config.json", "generation_config.json", "adapter_config.json")
INDEXES = ("model.safetensors.index.json", "pytorch_model.bin.index.json")
WHOLE = ("model.safetensors", "pytorch_model.bin")
INTEGERS = ("I8", "U8", "I16", "U16", "I32", "U32", "I64", "U64", "BOOL")


@dataclass(frozen=True)
class Weights:
    """What the files with the weights say of themselves.

    Args:
        size: bytes of all files.
        parts: how many tensors there are, or, in files that are not opened, can be at most.
        dtypes: of matrices named `….weight`, where they are known.
    """

    size: int
    parts: int
    dtypes: Mapping[str, str]


def check_folder(name: str, folder: Path, dtype: Any, device: Backend | None, own_code: bool) -> None:
    """Refuse a folder that can't be loaded, or whose model would not fit into memory.

    Args:
        name: what the user calls the model.
        folder: where its files are.
        dtype: of the weights once they are loaded, or "auto".
        device: where they will go; None where no one device must hold them.
        own_code: whether Python code of the folder's own may be run.

    Raises:
        ModelError: in one line, which file or field is wrong.
    """
    what = f"Folder '{short(name)}'"
    contents = json_files(what, folder, JSON_FILES)
    if "config.json" not in contents and "adapter_config.json" in contents:
        return  # peft knows where the model is that it adapts
    if "config.json" not in contents:
        raise ModelError(f"{what} has no config.json. {AGAIN}")
    config, weights = contents["config.json"], _weights(what, folder)
    check_kinds(what, config, own_code)
    for part in (config, config.get("text_config")):
        check_sizes(what, part or {}, weights.parts, weights.size)
    integers = sorted(name for name, dtype in weights.dtypes.items() if dtype in INTEGERS)
    if integers and not config.get("quantization_config"):
        raise ModelError(
            f"{what}: weights are integers ({weights.dtypes[integers[0]]}), e.g. {integers[0][:60]}, and config.json "
            f"has no quantization_config. {AGAIN}"
        )
    if not (own_code and "auto_map" in config):  # of such a model only its own code knows the sizes
        check_memory(what, str(folder), config, dtype, device, own_code)


def json_files(what: str, folder: Path, names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """The objects in those of these files that are there.

    Raises:
        ModelError: a file holds none; the line begins with `what`.
    """
    return {name: _object(what, folder / name) for name in names if is_there(what, folder / name)}


def is_there(what: str, file: Path) -> bool:
    """Whether there is such a file.

    Raises:
        ModelError: it is no file; a pipe in its place would stop the loaders for ever.
    """
    if not file.is_symlink() and not file.exists():
        return False
    if not file.is_file():
        raise ModelError(f"{what}: {file.name} is no file that can be read. {AGAIN}")
    return True


def _object(what: str, file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"{what}: {file.name} is no JSON: {reason(error)} {AGAIN}") from error
    if not isinstance(content, dict):
        kind = "null" if content is None else type(content).__name__
        raise ModelError(f"{what}: {file.name} holds no JSON object but {kind}. {AGAIN}")
    return content


# -- files with weights ------------------------------------------------------------------------------------------------


def _weights(what: str, folder: Path) -> Weights:
    """What the files that will be loaded say; they are looked for in the order of the loaders."""
    for whole, index in zip(WHOLE, INDEXES, strict=True):
        if is_there(what, folder / whole):
            return _declared(what, [folder / whole])
        if is_there(what, folder / index):
            return _declared(what, list(_shards(what, folder, index)))
    raise ModelError(f"{what} has no weights: neither {WHOLE[0]} nor {WHOLE[1]}, nor an index of several. {AGAIN}")


def _shards(what: str, folder: Path, index: str) -> Iterator[Path]:
    """The files that an index names; none of them outside the folder."""
    content = _object(what, folder / index)
    names = content.get("weight_map")
    if not isinstance(names, dict) or not names or not all(isinstance(one, str) for one in names.values()):
        raise ModelError(f"{what}: {index} has no weight_map from weights to files. {AGAIN}")
    if not isinstance(content.get("metadata", {}), dict):
        raise ModelError(f"{what}: in {index} metadata is no object. {AGAIN}")
    for name in sorted(set(names.values())):
        if Path(name).is_absolute() or ".." in Path(name).parts or "\\" in name or "\0" in name:
            raise ModelError(f"{what}: {index} names a file outside the folder, '{short(name)}'. {AGAIN}")
        if not is_there(what, folder / name):
            raise ModelError(f"{what}: {index} names '{short(name)}', which isn't there. {AGAIN}")
        yield folder / name


def _declared(what: str, files: list[Path]) -> Weights:
    size, count = sum(file.stat().st_size for file in files), 0
    dtypes: dict[str, str] = {}
    if files[0].suffix != ".safetensors":
        return Weights(size, max(1000, size // 64), {})  # a pickle isn't opened here; each tensor takes as much
    for file in files:
        with one_line(f"{what}: {file.name} is damaged", AGAIN), safe_open(file, "pt") as stored:
            names = list(stored.keys())
            parts = {name: stored.get_slice(name) for name in names if name.endswith(".weight")}
            dtypes |= {name: part.get_dtype() for name, part in parts.items() if len(part.get_shape()) > 1}
        count += len(names)
    if not count:
        raise ModelError(f"{what}: {files[0].name} holds no weights. {AGAIN}")
    return Weights(size, count, dtypes)
