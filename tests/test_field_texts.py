"""Tokenizers as they come: an EOS behind every text, added tokens that are text, BOS that a text spells itself."""

from dataclasses import replace
from typing import Any

import pytest
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from inspector import examine
from inspector.batches import tokenise
from inspector.errors import InputError
from inspector.hallucination.answers.ask import stop_tokens
from inspector.hallucination.questions.prompts import Form
from inspector.models import Model
from inspector.testing import tiny_model

BOS, EOS = 0, 1
TEXT = "One two three."


def by_letters(template: str = "$A", size: int = 100) -> Any:
    """A tokenizer whose tokens are letters, and what its template puts around a text."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())[: size - 3]
    raw = Tokenizer(models.BPE({"<s>": BOS, "</s>": EOS, **{c: i + 2 for i, c in enumerate(letters)}}, []))
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    specials = [("<s>", BOS), ("</s>", EOS)]
    raw.post_processor = processors.TemplateProcessing(single=template, special_tokens=specials)
    return PreTrainedTokenizerFast(tokenizer_object=raw, bos_token="<s>", eos_token="</s>")


def lettered(template: str = "$A", tokenizer: Any = None) -> Model:
    return replace(tiny_model(), tokenizer=tokenizer or by_letters(template))


# -- what a tokenizer puts behind a text -----------------------------------------------------------------------------


@pytest.mark.parametrize("template", ["$A </s>", "<s> $A </s>", "<s> $A </s> <s>"])
def test_a_prompt_and_a_text_have_what_a_tokenizer_puts_in_front_and_not_what_it_puts_behind(template: str) -> None:
    tokenizer, plain = by_letters(template), by_letters("<s> $A" if template.startswith("<s>") else "$A")
    question = "What is the capital of Norway?"
    assert Form().prompt(tokenizer, question) == Form().prompt(plain, question)
    assert Form().prefix(tokenizer) == Form().prefix(plain)
    assert Form().tail(tokenizer) == Form().tail(plain) > 0
    assert Form().answer_ids(tokenizer, question, "Oslo") == Form().answer_ids(plain, question, "Oslo")
    (row,), (same,) = (tokenise(one, [TEXT], bos=None, window=99) for one in (tokenizer, plain))
    assert row.ids == same.ids


def test_an_eos_that_the_text_spells_stays() -> None:
    (row,) = tokenise(by_letters("<s> $A </s>"), [f"{TEXT}</s>"], bos=None, window=99)
    assert row.ids[-1] == EOS and row.ids[-2] != EOS


# -- added tokens ----------------------------------------------------------------------------------------------------


def test_added_tokens_that_are_text_end_no_answer_and_special_ones_do() -> None:
    tokenizer = by_letters(size=90)
    tokenizer.add_tokens([AddedToken(text, special=False, normalized=False) for text in ("<think>", "      ", "<end>")])
    tokenizer.add_tokens([AddedToken("<turn>", special=True)], special_tokens=True)
    think, spaces, end, turn = map(tokenizer.convert_tokens_to_ids, ("<think>", "      ", "<end>", "<turn>"))
    model = lettered(tokenizer=tokenizer)
    stop = stop_tokens(model)
    assert not stop[think] and not stop[spaces] and not stop[end]
    assert stop[turn] and stop[EOS] and stop[BOS]
    model.bridge.original_model.generation_config.eos_token_id = [EOS, end]
    assert stop_tokens(model)[end] and not stop_tokens(model)[think]


# -- BOS -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("spelled", ["", "<s>", "<s><s>"])
@pytest.mark.parametrize("template", ["$A", "<s> $A"])
def test_one_bos_is_one_and_none_is_none_whatever_the_text_spells(template: str, spelled: str) -> None:
    tokenizer = by_letters(template)
    own = tuple(by_letters()(TEXT)["input_ids"])
    for bos, front in ((True, (BOS,)), (False, ())):
        (row,) = tokenise(tokenizer, [spelled + TEXT], bos=bos, window=99)
        assert row.ids == front + own


def test_a_text_of_nothing_but_bos_is_empty_where_none_is_asked_for() -> None:
    with pytest.raises(InputError, match="Text 0 is empty"):
        tokenise(by_letters(), ["<s>"], bos=False, window=99)


def test_two_bos_are_said_with_what_to_do() -> None:
    model = lettered("<s> $A")
    notes = examine(model, [f"<s>{TEXT}", TEXT], ["massive"]).notes
    assert any("1 of 2 texts begin with two BOS" in note and "exactly one" in note for note in notes)
    assert not any("two BOS" in note for note in examine(model, [TEXT], ["massive"]).notes)
    assert any("Each text begins with a BOS" in note for note in examine(model, [TEXT], ["massive"]).notes)
    assert not any("BOS" in note for note in examine(model, [f"<s>{TEXT}"], ["massive"], bos=False).notes)
    assert any(
        "1 of 2 texts begin with a BOS" in note for note in examine(model, [[BOS, 5], [5, 6]], ["massive"]).notes
    )
