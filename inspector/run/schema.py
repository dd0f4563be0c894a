"""What `run.json` and an evidence file's `about` hold, as types; what a later version or a plugin adds is kept."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, model_validator

from inspector.records import Combine, Verdict

Count = Annotated[int, Field(ge=0, lt=2**53)]
Size = Annotated[int, Field(ge=0, le=10**7)]
Name = Annotated[str, Field(max_length=1000)]


class Typed(BaseModel):
    """Values of exactly these types; names that aren't listed may hold any JSON."""

    model_config = ConfigDict(strict=True, extra="allow", frozen=True, protected_namespaces=())


class Card(Typed):
    """The model that was looked at."""

    name: Name
    source: Name
    architecture: Name
    dtype: Name
    fingerprint: Name
    parameters: Count
    layers: Annotated[Size, Field(ge=1)]
    heads: Size | None = None
    kv_heads: Size | None = None
    d_model: Size | None = None
    d_mlp: Size | None = None
    vocab: Size | None = None
    context: Count | None = None
    revision: Name | None = None
    attention: Name = ""
    logit_difference: float | None = None
    logit_kl: float = 0.0
    logit_top1_changes: float = 0.0
    missing_sites: dict[Name, Size] = {}

    @model_validator(mode="after")
    def _compared(self) -> "Card":
        if {"logit_kl", "logit_top1_changes"} & self.model_fields_set not in (
            {"logit_kl", "logit_top1_changes"},
            set(),
        ):
            raise ValueError("logit_kl and logit_top1_changes come together")
        return self


class Form(Typed):
    """How a study's questions were put."""

    name: Name
    shots: list[Annotated[list[str], Field(min_length=2, max_length=2)]]


class Given(Typed):
    """Of a study of answers that existed: how many were labelled, and had a context or a prompt of their own."""

    labelled: Count
    contexts: Count
    prompts: Count


class Asked(Typed):
    """How a study asked and judged."""

    questions: Count
    samples: Count
    temperature: float
    top_p: float
    top_k: int
    judge: Name
    form: Form
    seed: int = 0
    longest: Count = 0
    agreement: float = 1.0
    judge_options: dict[Name, Any] = {}
    answers: Given | None = None


class Settings(Typed):
    """Everything that was chosen."""

    detectors: list[Name]
    thresholds: dict[Name, dict[Name, float]] = {}
    study: Asked | None = None
    bos: Name = ""
    begin_with_bos: Count | None = None
    hooks: list[Name] = []
    shard: Annotated[list[Count], Field(min_length=2, max_length=2)] | None = None
    sample: Annotated[Count, Field(ge=1)] | None = None
    sequences: Count | None = None
    window: Count = 0
    attention: Name = ""
    verified: list[Any] = []

    @model_validator(mode="after")
    def _of_texts_or_questions(self) -> "Settings":
        if "study" in self.model_fields_set:
            if self.study is None:
                raise ValueError("study is null")
        elif missing := {"bos", "window", "attention"} - self.model_fields_set:
            raise ValueError(f"{', '.join(sorted(missing))} missing")
        return self


class File(Typed):
    """A file of the run."""

    bytes: Count
    sha256: Annotated[str, Field(max_length=64)]


class RunJson(Typed):
    """`run.json`."""

    format: int
    created: Annotated[str, Field(max_length=100)]
    model: Card
    settings: Settings
    notes: Annotated[list[str], Field(max_length=10_000)]
    files: Annotated[dict[str, File], Field(max_length=1000)]
    verdicts: list[Any] = []
    libraries: dict[Name, Name] = {}
    input_sha256: Name = ""


class About(Typed):
    """What an evidence file says of its arrays."""

    detector: Name
    axes: dict[str, list[Annotated[str, Field(min_length=1, max_length=100)]]]
    combine: dict[str, Combine]
    facts: dict[str, Any]
    rows: dict[str, list[Count]] = {}


VERDICTS = TypeAdapter(list[Verdict])
