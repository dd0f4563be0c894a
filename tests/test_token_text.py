"""Text of tokens: characters of several tokens, in the built-in model's vocabulary and in one of SentencePiece."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from inspector.figures import token_label
from inspector.models import Model
from inspector.token_text import named, text_of, token_texts, whole

THAI, EMOJI = "กรุงเทพมหานคร", "👩‍🚀 went 🚀🦄"


class SentencePiece:
    """A vocabulary of a few words in which all other characters are bytes."""

    words = ("▁I", "▁went", "▁", "é")

    def __init__(self) -> None:
        pieces = [*(f"<0x{byte:02X}>" for byte in range(256)), *self.words]
        vocabulary = {piece: number for number, piece in enumerate(pieces)}
        self.core = Tokenizer(models.BPE(vocabulary, [], byte_fallback=True))
        self.core.pre_tokenizer = pre_tokenizers.Metaspace()
        steps = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
        self.core.decoder = decoders.Sequence(steps)

    def ids(self, *parts: str) -> list[int]:
        """Words by their own number, everything else by its bytes."""
        return [
            number
            for part in parts
            for number in ([256 + self.words.index(part)] if part in self.words else list(part.encode()))
        ]

    def decode(self, ids: list[int], **options: Any) -> str:
        return self.core.decode(ids)

    def convert_ids_to_tokens(self, token: int) -> str | None:
        return self.core.id_to_token(token)


@pytest.mark.parametrize("text", [THAI, EMOJI, "x\ufffdy 日本 ๛"])
def test_no_token_of_the_built_in_model_is_a_replacement_character(smollm2: Model, text: str) -> None:
    ids = smollm2.tokenizer(text, add_special_tokens=False)["input_ids"]
    texts = token_texts(smollm2.tokenizer, ids)
    assert "\ufffd" not in "".join(texts) and "⟨" in "".join(texts)
    assert whole("".join(texts)).replace("⟨EF⟩⟨BF⟩⟨BD⟩", "\ufffd") == text
    assert text_of(smollm2.tokenizer, ids).replace("⟨EF⟩⟨BF⟩⟨BD⟩", "\ufffd") == text


def test_a_stretch_that_begins_inside_a_character_names_its_bytes(smollm2: Model) -> None:
    ids = smollm2.tokenizer(f" {THAI}", add_special_tokens=False)["input_ids"]
    for start in range(len(ids)):
        for stop in range(start + 1, len(ids) + 1):
            assert "\ufffd" not in text_of(smollm2.tokenizer, ids[start:stop])


def test_bytes_of_sentencepiece_are_named_alone_and_joined_together() -> None:
    tokenizer = SentencePiece()
    ids = tokenizer.ids("▁I", "▁went", "ก", "é")
    assert token_texts(tokenizer, ids) == ["I", "went", "⟨E0⟩", "⟨B8⟩", "⟨81⟩", "é"]
    assert text_of(tokenizer, ids) == "I wentกé"
    assert text_of(tokenizer, ids[:-2]) == "I went⟨E0⟩⟨B8⟩"
    assert text_of(tokenizer, tokenizer.ids("é", "▁went", "🚀")[:-1]) == "é went⟨F0⟩⟨9F⟩⟨9A⟩"


def test_without_a_tokenizer_tokens_have_numbers() -> None:
    assert token_texts(None, [3, 1, 3]) == ["#3", "#1", "#3"]


@given(st.binary(max_size=24))
def test_named_bytes_can_be_joined_again(content: bytes) -> None:
    said = named(content)
    assert "\ufffd" not in said and whole(said) == said
    parts = "".join(named(content[i : i + 1]) for i in range(len(content)))
    assert whole(parts) == said


def test_a_label_never_shows_a_replacement_character() -> None:
    assert token_label("⟨E0⟩⟨B8⟩") == "⟨E0⟩⟨B8⟩" and token_label("\ufffd") == "⟨?⟩" and token_label("ก") == "ก"
