"""Whether two answers say the same, by a model of natural language inference."""

from functools import cached_property
from typing import Any

import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from inspector.errors import ModelError
from inspector.models.faults import one_line, short
from inspector.models.fetch import locate, quiet
from inspector.printable import brief


class Entailment:
    """Two answers say the same where each, after its question, entails the other.

    As Kuhn et al. 2023 (arXiv 2302.09664) cluster samples. It runs on the CPU, and is loaded when it is first asked.

    Args:
        name: a folder, or a hub id such as `microsoft/deberta-large-mnli`, of a classifier that has a label
            "entailment".
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._known: dict[tuple[str, str], bool] = {}

    def __repr__(self) -> str:
        return f"<Entailment by {brief(self.name, 100)}>"

    def load(self) -> None:
        """Load the model now.

        Raises:
            ModelError: it can't be loaded, or has no label of entailment.
        """
        _ = self._loaded

    def __call__(self, question: str, one: str, other: str) -> bool:
        """Whether both say the same.

        Raises:
            ModelError: the model can't be loaded, or has no label of entailment.
        """
        said = tuple(f"{question} {' '.join(answer.split())}" for answer in (one, other))
        return self._entails(said[0], said[1]) and self._entails(said[1], said[0])

    def _entails(self, premise: str, hypothesis: str) -> bool:
        pair = (premise, hypothesis)
        if pair not in self._known:
            tokenizer, classifier, label = self._loaded
            fed = tokenizer(premise, hypothesis, return_tensors="pt", truncation=True)
            with torch.no_grad():
                self._known[pair] = int(classifier(**fed).logits.argmax()) == label
        return self._known[pair]

    @cached_property
    def _loaded(self) -> tuple[Any, Any, int]:
        """Tokenizer, classifier, and the number of its label of entailment."""
        what = f"The entailment model '{short(self.name)}' can't be loaded"
        with quiet(), one_line(what, "Give a folder, or a hub id in reach, of a classifier."):
            where, _ = locate(self.name)
            tokenizer = AutoTokenizer.from_pretrained(where)
            classifier = AutoModelForSequenceClassification.from_pretrained(where).eval()
        labels = {str(label).lower(): int(number) for number, label in classifier.config.id2label.items()}
        if "entailment" not in labels:
            raise ModelError(
                f"Model '{short(self.name)}' has the labels {', '.join(sorted(labels)[:4])} and none of entailment. "
                "Give a model of natural language inference."
            )
        return tokenizer, classifier, labels["entailment"]
