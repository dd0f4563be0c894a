"""The texts that come with the package."""

import json
from importlib.resources import files

from inspector.arguments import Number, takes


@takes
def built_in(count: Number | None = None) -> list[str]:
    """The built-in texts, all 240 or `count` of them with the kinds mixed as in the whole.

    Prose, code, lists, dialogue, and other scripts; each at least 96 tokens of a 49k vocabulary.
    """
    lines = files("inspector").joinpath("data/texts.jsonl").read_text(encoding="utf-8").splitlines()
    texts = [json.loads(line)["text"] for line in lines]
    if count is None or count >= len(texts):
        return texts
    return [texts[i * len(texts) // count] for i in range(count)]
