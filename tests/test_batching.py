"""Laws of `inspector.batches`."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inspector.batches import batch_count, batches, tokenise
from inspector.errors import InputError

texts_of_ids = st.lists(st.lists(st.integers(0, 99), min_size=1, max_size=40), min_size=1, max_size=20)


class WordTokenizer:
    """Words to ids by length; adds a BOS (id 1) of its own unless told not to."""

    bos_token_id: int | None = 1

    def __call__(self, text: str, add_special_tokens: bool = True) -> dict[str, list[int]]:
        ids = [1 if word == "<s>" else 2 + len(word) for word in text.split()]
        return {"input_ids": [1, *ids] if add_special_tokens else ids}


@settings(deadline=None)
@given(texts_of_ids, st.integers(1, 100), st.integers(1, 50))
def test_every_token_is_fed_exactly_once(texts: list[list[int]], budget: int, window: int) -> None:
    rows = tokenise(None, texts, bos=None, window=window)
    fed: dict[int, list[int]] = {}
    for batch in batches(rows, budget):
        for text, ids, real in zip(batch.text.tolist(), batch.ids, batch.real, strict=True):
            assert text not in fed
            fed[text] = ids[real].tolist()
    joined: dict[int, list[int]] = {}
    for row in rows:
        joined.setdefault(row.source, []).extend(fed[row.text])
    assert [joined[i] for i in range(len(texts))] == texts


@settings(deadline=None)
@given(texts_of_ids, st.integers(1, 100))
def test_batches_keep_to_the_budget_and_are_counted_right(texts: list[list[int]], budget: int) -> None:
    rows = tokenise(None, texts, bos=None, window=1000)
    made = list(batches(rows, budget))
    assert len(made) == batch_count(rows, budget)
    assert all(b.ids.numel() <= budget or len(b.ids) == 1 for b in made)
    longest = [b.ids.shape[1] for b in made]
    assert longest == sorted(longest, reverse=True)


@pytest.mark.parametrize(
    ("bos", "expected"), [(None, [1, 5, 7]), (True, [1, 5, 7]), (False, [5, 7])], ids=["tokenizer's", "one", "none"]
)
def test_the_bos_count_is_what_was_asked_for(bos: bool | None, expected: list[int]) -> None:
    (row,) = tokenise(WordTokenizer(), ["the horse"], bos=bos, window=10)
    assert list(row.ids) == expected


def test_a_text_that_has_its_bos_does_not_get_another() -> None:
    (row,) = tokenise(WordTokenizer(), ["<s> the horse"], bos=True, window=10)
    assert list(row.ids) == [1, 5, 7]


def test_asking_a_tokenizer_without_bos_for_one_is_an_error() -> None:
    tokenizer = WordTokenizer()
    tokenizer.bos_token_id = None
    with pytest.raises(InputError, match="BOS was asked for and this tokenizer has none"):
        tokenise(tokenizer, ["the horse"], bos=True, window=10)


@pytest.mark.parametrize("texts", [[], [""], ["  \n"], [[]], ["words", ""]])
def test_no_text_or_an_empty_one_is_an_error(texts: list[str]) -> None:
    with pytest.raises(InputError):
        tokenise(WordTokenizer(), texts, bos=False, window=10)


def test_a_lone_string_is_not_taken_for_a_list_of_letters() -> None:
    with pytest.raises(InputError, match="one string"):
        tokenise(WordTokenizer(), "the horse", bos=False, window=10)


def test_a_long_text_becomes_windows_that_know_where_they_start() -> None:
    rows = tokenise(None, [list(range(7)), [9]], bos=None, window=3, first_text=10)
    assert [(r.text, r.source, r.start, len(r.ids)) for r in rows] == [
        (10, 10, 0, 3),
        (11, 10, 3, 3),
        (12, 10, 6, 1),
        (13, 11, 0, 1),
    ]
