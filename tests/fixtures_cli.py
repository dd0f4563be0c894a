"""A tiny model's folder, a saved run, and the command called in this process."""

import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tokenizers import Tokenizer, pre_tokenizers
from tokenizers.models import WordLevel
from transformers import PreTrainedTokenizerFast

import inspector
from inspector.cli import main as cli
from inspector.run.report import Report
from inspector.testing.planted import VOCAB, tiny_hf

SCRIPT = "<script>alert(1)</script>"
SPECIAL = ["<pad>", "<s>", "</s>", "<unk>", SCRIPT]
WORDS = [*SPECIAL, *(f"w{number}" for number in range(len(SPECIAL), VOCAB))]
TEXT = " ".join([SCRIPT, *WORDS[5:75]])
"""71 words that the tiny tokenizer knows, long enough for a sink rate."""


@dataclass(frozen=True)
class Outcome:
    """What the command did: exit code, stdout, stderr."""

    code: int
    out: str
    err: str


Command = Callable[..., Outcome]


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A saved Llama with random weights and a tokenizer of 101 words."""
    folder = tmp_path_factory.mktemp("models") / "tiny"
    words = Tokenizer(WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=words, unk_token="<unk>", bos_token="<s>", eos_token="</s>", pad_token="<pad>"
    )
    tokenizer.save_pretrained(folder)
    tiny_hf("LlamaForCausalLM").save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def report(tiny_folder: Path) -> Report:
    """A scan of the tiny model: two long texts and a short one; low thresholds, so that there are findings."""
    model = inspector.load_model(tiny_folder, device="cpu")
    texts = [TEXT, " ".join(reversed(TEXT.split())), "w5 w6"]
    thresholds = {"massive": {"ratio": 3.0, "magnitude": 0.0}, "sinks": {"epsilon": 0.05}}
    return inspector.examine(model, texts, thresholds=thresholds)


@pytest.fixture
def run(report: Report, tmp_path: Path) -> Path:
    """A saved run of one's own, to look at or to damage."""
    return report.save(tmp_path / "run")


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Command]:
    """Call `inspector …` as the console script does, in this process."""
    handler = signal.getsignal(signal.SIGTERM)
    monkeypatch.setenv("TQDM_DISABLE", "1")

    def call(*arguments: object) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["inspector", *map(str, arguments)])
        code: object = 0
        try:
            cli.main()
        except SystemExit as stop:
            code = stop.code or 0
        said = capsys.readouterr()
        assert isinstance(code, int)
        return Outcome(code, said.out, said.err)

    yield call
    signal.signal(signal.SIGTERM, handler)


def tree(folder: Path) -> dict[str, bytes | None]:
    """Everything below a folder, hidden files too: path → bytes, None for a folder."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
    }
