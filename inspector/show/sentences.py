"""A run in plain sentences: what was found, what it means, and what it doesn't."""

from collections.abc import Iterator, Mapping
from typing import Any

from inspector.detectors.measured import Measured
from inspector.errors import DetectorError
from inspector.records import Record, Sentence
from inspector.run.report import Report


def paragraphs(report: Report) -> list[str]:
    """The run's sentences as text, after the model, the input, and what to know about them."""
    return [str(one) for one in sentences(report)]


def sentences(report: Report) -> list[Sentence]:
    """The model, the input, what to know about them, what each detector found, and then what was tested."""
    found = [one for part in report.parts for one in of_part(part)]
    notes = [Sentence("note", note) for note in report.notes]
    findings, tested = ([one for one in found if one.tested == late] for late in (False, True))
    return [*header(report), *notes, *findings, *tested]


def of_part(part: Measured) -> tuple[Sentence, ...]:
    """What a detector says of its part; where it fails, that it does."""
    try:
        said: tuple[Sentence, ...] = part.ask("sentences", None) or _plain(part)
        return said
    except DetectorError as error:
        return (Sentence("fault", str(error)),)


def _plain(part: Measured) -> tuple[Sentence, ...]:
    """What there is to say of a detector that says nothing itself.

    Raises:
        DetectorError: it can't judge, so that having no findings means nothing.
    """
    part.judged()
    count = len(part.findings)
    top = max(part.findings, key=lambda one: one.score, default=None)
    if top is None:
        return (Sentence(part.name, f"{part.title}: nothing passes the thresholds in force."),)
    unit = "" if top.unit is None else f", unit {top.unit}"
    return (
        Sentence(
            part.name,
            f"{part.title}: {count:,} finding{'' if count == 1 else 's'}; the strongest, a {top.kind} in layer "
            f"{top.layer}{unit}, scores {top.score:,.4g}.",
        ),
    )


def _checked(card: Mapping[str, Any]) -> str:
    """How the logits compare with Hugging Face's in the same dtype."""
    difference = card.get("logit_difference")
    if difference is None:
        return "logits not compared"
    if card["dtype"] == "float32" or "logit_kl" not in card:
        return f"logits differ from Hugging Face's by at most {difference:.1e}"
    return (
        f"predictions differ from Hugging Face's in {card['dtype']} by {card['logit_kl']:.1g} nats per token, which is "
        f"rounding; the likeliest token changes at {card['logit_top1_changes']:.0%} of the tokens of a check text"
    )


def header(record: Record) -> Iterator[Sentence]:
    """The model, and what it was given."""
    card, settings = record.card, record.settings
    yield Sentence(
        "model",
        f"{card['name']} ({card['architecture']}, {card['parameters'] / 1e6:,.0f} M parameters, {card['dtype']}, from "
        f"{card['source']}); {_checked(card)}.",
    )
    if "study" in settings:
        yield Sentence("input", _asked(settings["study"]))
        return
    tokens, texts = len(record.tokens["id"]), len(set(record.tokens["text"].tolist()))
    window = f", windows of at most {settings['window']}"
    sources = len(set(record.tokens["source"].tolist()))
    cut = "" if sources == texts else f" in {texts} windows"
    given = f"{_count(sources, 'text')}{cut}, {_count(tokens, 'token')}{window}"
    if (every := settings.get("sequences") or 0) > texts:
        given = f"{every:,} sequences{window}; rows are kept of {_count(texts, 'sequence')}, {_count(tokens, 'token')}"
    yield Sentence("input", f"{given}; BOS {settings['bos']}; attention {settings['attention']}.")


def _asked(study: Mapping[str, Any]) -> str:
    if study.get("answers"):
        given = study["answers"]
        where = {"prompts": "after prompts of their own", "contexts": "about a passage of their own"}
        said = [f"{given[name]:,} {words}" for name, words in where.items() if given[name]]
        judged = study["questions"] - given["labelled"]
        return (
            f"{study['questions']:,} answers that were given, {given['labelled']:,} with a label and {judged:,} judged "
            f"by {study['judge']}; read in the {study['form']['name']} form{', '.join(['', *said])}."
        )
    how = f"T = {study['temperature']:g}, top-p {study['top_p']:g}, top-k {study['top_k']}"
    return (
        f"{study['questions']:,} questions, each answered once greedily and by {study['samples']} samples ({how}), in "
        f"the {study['form']['name']} form; answers judged by {study['judge']}."
    )


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}" + ("" if number == 1 else "s")
