"""Scores that need no neuron: each against its definition, and what they need."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from inspector.errors import ModelError
from inspector.hallucination.baselines import Seen, baselines
from inspector.hallucination.baselines.lexical_agreement import agreements
from inspector.hallucination.baselines.semantic_entropy import clusters, semantic_entropies
from inspector.hallucination.found import say_the_same
from inspector.hallucination.probe.splits import Folds
from inspector.models import Entailment
from inspector.stats import auroc


def seen(samples: Sequence[Sequence[str]], relation: str = "") -> Seen:
    """Answers to one question with these samples, and numbers that say nothing."""
    count = len(samples)
    ones = np.ones(count)
    return Seen(
        ["What is the capital?"] * count,
        ["Paris"] * count,
        samples,
        [relation] * count,
        ones,
        ones,
        -ones,
        ones,
        say_the_same,
    )


def test_every_baseline_says_what_it_is_and_is_there_once() -> None:
    names = [one.name for one in baselines()]
    assert len(set(names)) == len(names) >= 8
    assert {"length", "entropy", "logprob", "relation", "text alone", "self-certainty", "semantic entropy"} <= {*names}
    assert all(one.formula and one.source and one.cost for one in baselines())


@pytest.mark.parametrize(
    ("samples", "sizes"),
    [
        (["Paris", "paris.", "It is Paris.", "Lyon"], [3, 1]),
        (["World War II", "the Second World War", "WW2"], [3]),
        (["ruby", "amber", "jade", "onyx"], [1, 1, 1, 1]),
        (["Paris", "Paris", "Lyon", "Lyon"], [2, 2]),
        (["I don't know.", "I'm not sure.", "I do not know", "Paris"], [3, 1]),
    ],
)
def test_samples_thatsay_the_same_are_one_thing(samples: list[str], sizes: list[int]) -> None:
    assert clusters("What is it?", samples, seen([samples])) == sizes
    shares = np.array(sizes) / sum(sizes)
    (found,) = semantic_entropies(seen([samples]))  # type: ignore[misc]
    assert found == pytest.approx(-(shares * np.log(shares)).sum())


def test_lexical_agreement_is_the_mean_f1_of_all_pairs() -> None:
    (found,) = agreements(seen([["red car", "red bus", "a red car"]]))  # type: ignore[misc]
    assert found == pytest.approx((0.5 + 1.0 + 0.5) / 3)


def test_what_needs_samples_or_relations_is_left_out_without_them() -> None:
    folds = Folds(np.arange(40) % 5, np.full((40, 1), -1), "subject")
    made_up = np.arange(40) // 5 % 2 == 0
    known = {one.name for one in baselines() if one.odds(seen([()] * 40), made_up, folds) is not None}
    assert known == {"length", "entropy", "logprob", "self-certainty", "text alone"}
    sampled = {one.name for one in baselines() if one.odds(seen([["a", "b"]] * 40, "of"), made_up, folds) is not None}
    assert sampled - known == {"semantic entropy", "lexical agreement", "relation"}


def test_a_score_is_turned_into_log_odds_in_either_direction() -> None:
    rng = np.random.default_rng(0)
    folds, made_up = Folds(np.arange(200) % 5, np.full((200, 1), -1), "subject"), np.arange(200) // 5 % 2 == 0
    certain = replace(seen([()] * 200), certainty=rng.normal(size=200) - 2 * made_up)
    (self_certainty,) = (one for one in baselines() if one.name == "self-certainty")
    odds = self_certainty.odds(certain, made_up, folds)
    assert odds is not None and auroc(odds, made_up) > 0.9


def an_entailment_model(folder: Path, labels: dict[int, str]) -> Path:
    """A tiny classifier of pairs that says its first label whatever it is given."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast

    words = Tokenizer(models.WordLevel({"[UNK]": 0, "[PAD]": 1}, unk_token="[UNK]"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(tokenizer_object=words, unk_token="[UNK]", pad_token="[PAD]").save_pretrained(folder)
    config = BertConfig(
        vocab_size=2, hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8, id2label=labels
    )
    model = BertForSequenceClassification(config)
    model.classifier.bias.data = torch.tensor([9.0] + [0.0] * (len(labels) - 1))
    model.save_pretrained(folder)
    return folder


def test_a_model_of_entailment_says_which_answers_say_the_same(tmp_path: Path) -> None:
    yes = Entailment(str(an_entailment_model(tmp_path / "yes", {0: "ENTAILMENT", 1: "NEUTRAL"})))
    no = Entailment(str(an_entailment_model(tmp_path / "no", {0: "contradiction", 1: "entailment"})))
    samples = ["ruby", "amber"]
    assert clusters("What is it?", samples, replace(seen([samples]), same=yes)) == [2]
    assert clusters("What is it?", samples, replace(seen([samples]), same=no)) == [1, 1]


def test_a_model_that_tells_no_entailment_is_refused_in_a_line(tmp_path: Path) -> None:
    other = Entailment(str(an_entailment_model(tmp_path, {0: "positive", 1: "negative"})))
    with pytest.raises(ModelError, match="none of entailment"):
        other("Who?", "one", "another")
    with pytest.raises(ModelError, match="isn't there"):
        Entailment(str(tmp_path / "absent"))("Who?", "one", "another")
