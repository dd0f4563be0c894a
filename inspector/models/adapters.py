"""Adapters beside a model's weights: loaders apply them where peft is installed, and else leave them out."""

from pathlib import Path
from typing import Any

from transformers.utils import is_peft_available
from transformers.utils.peft_utils import find_adapter_config_file

from inspector.errors import ModelError


def refuse_adapter(name: str, where: str, options: dict[str, Any]) -> None:
    """Refuse a model with an adapter that would be left out without a word.

    Args:
        name: what the user calls the model.
        where: its folder or hub id.
        options: what the loaders are given.

    Raises:
        ModelError: there is an adapter and no peft.
    """
    if is_peft_available():
        return
    look = {key: options[key] for key in ("revision", "local_files_only") if key in options}
    try:
        found = find_adapter_config_file(where, **look) or next(Path(where).glob("adapter_model.*"), None)
    except (OSError, ValueError):
        return  # the loaders say what is wrong with the name
    if found:
        raise ModelError(
            f"Model '{name}' has an adapter ({Path(found).name}) with it, and peft, which applies it, isn't installed. "
            "Install it: pip install peft. Or give the model without the adapter."
        )
