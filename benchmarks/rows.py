"""The rows of the benchmark, in groups: each group is a function that measures and gives its rows."""

import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import scan as scans
from benchmarks.results import Row

LENGTHS = (10_000, 100_000, 1_000_000)
"""Tokens of the corpora that the cost per token is measured on."""
SHARDS = 64
TARGETS = {(8, 1024): 1.2, (1, 4096): 1.7, (1, 8192): 2.0}


@dataclass(frozen=True)
class Size:
    """How much is measured: rounds, and whether everything is small."""

    rounds: int
    quick: bool


def seconds(call: Callable[[], Any]) -> float:
    """How long a call takes."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def turns(size: Size, first: Callable[[], Any], second: Callable[[], Any]) -> tuple[list[float], list[float]]:
    """Seconds of both, taking turns."""
    pairs = [(seconds(first), seconds(second)) for _ in range(size.rounds)]
    return [one for one, _ in pairs], [other for _, other in pairs]


def over(ones: Sequence[float], others: Sequence[float]) -> tuple[float, ...]:
    """Ratios, round by round."""
    return tuple(one / other for one, other in zip(ones, others, strict=True))


def median(values: Sequence[float]) -> str:
    """The median of seconds, in words."""
    return f"{statistics.median(values):.3g} s"


def scan_rows(size: Size) -> list[Row]:
    """A scan beside a bare forward, and beside `run_with_cache`, in time and peak memory."""
    found = []
    for batch, length in ((1, 128),) if size.quick else TARGETS:
        rounds = [
            {name: scans.measured(name, batch, length) for name in scans.CONTENDERS[: 3 if i == 0 else 2]}
            for i in range(size.rounds)
        ]
        bare, scan = ([one[name] for one in rounds] for name in scans.CONTENDERS[:2])
        cache = rounds[0][scans.CONTENDERS[2]]
        name = f"scan of {batch} × {length:,} tokens"
        times, peaks = ([one[key] for one in scan] for key in ("seconds", "bytes"))
        target = TARGETS.get((batch, length))
        found += [
            Row(name, "bare forward", over(times, [one["seconds"] for one in bare]), target, value=median(times)),
            Row(
                f"peak memory of a {name}",
                "bare forward",
                over(peaks, [one["bytes"] for one in bare]),
                value=f"{max(peaks) / 1e9:.2f} GB",
                note="target for 8,192 tokens: ≤ 3 GB itself" if length == 8192 else "",
            ),
            Row(
                name,
                "run_with_cache",
                (times[0] / cache["seconds"],) if np.isfinite(cache["seconds"]) else (),
                note="" if np.isfinite(cache["seconds"]) else "the cache doesn't fit here",
            ),
        ]
    return found


def _corpus(tokens: int) -> list[list[int]]:
    from inspector.testing import random_texts

    return random_texts(tokens // 100, 100, 101)


def length_rows(size: Size) -> list[Row]:
    """Time and memory per token of a longer corpus, beside a short one, on a small random model."""
    from inspector import examine
    from inspector.models.backend import PeakMemory
    from inspector.testing import planted_model

    model = planted_model()
    short, *longer = (n // 50 for n in LENGTHS) if size.quick else LENGTHS
    costs: dict[int, list[tuple[float, int]]] = {short: [], **{n: [] for n in longer}}
    examine(model, _corpus(short))
    for _ in range(size.rounds):
        for tokens, mine in costs.items():
            texts, memory = _corpus(tokens), PeakMemory()
            spent = seconds(partial(examine, model, texts))
            mine.append((spent / tokens, memory.before + (memory.bytes() or 0)))
    found = []
    for tokens in longer:
        pairs = [zip(*costs[n], strict=True) for n in (tokens, short)]
        (spent, peak), (spent_short, peak_short) = pairs
        ratios = over(spent, spent_short), over(peak, peak_short)
        last = tokens == longer[-1]
        name = f"{tokens:,} tokens"
        found += [
            Row(f"cost per token of {name}", f"of {short:,}", ratios[0], 1.05 if last else None, note="planted model"),
            Row(f"peak memory of {name}", f"of {short:,}", ratios[1], 1.1 if last else None, note="planted model"),
        ]
    return found


def ray_rows(size: Size) -> list[Row]:
    """Two workers beside one, with a thread each, on a corpus of eight blocks: a single one is one worker's."""
    from inspector import examine
    from inspector.cluster import Workers, cluster
    from inspector.scan.blocks import TOKENS
    from inspector.scan.on_ray import OnRay
    from inspector.testing import planted_model

    load, model = planted_model, planted_model()
    texts = _corpus(6_000 if size.quick else 8 * TOKENS)
    with cluster(None, Workers(2)):
        ones, twos = turns(
            size,
            partial(examine, model, texts, engine=OnRay(load, Workers(1))),
            partial(examine, model, texts, engine=OnRay(load, Workers(2))),
        )
    name = "one Ray worker's time"
    return [
        Row(
            name,
            "two workers'",
            over(ones, twos),
            1.7,
            least=True,
            value=median(twos),
            note="planted model, a thread each, start included",
        )
    ]


def _runs(folder: Path, count: int) -> list[Path]:
    from inspector import examine
    from inspector.testing import planted_model

    model, texts = planted_model(), _corpus(100 * 2 * count)
    return [examine(model, texts, shard=(number, count)).save(folder / str(number)) for number in range(1, count + 1)]


def merge_rows(size: Size) -> list[Row]:
    """Merging shards beside opening them."""
    from inspector import merge, open_run

    count = 4 if size.quick else SHARDS
    with tempfile.TemporaryDirectory() as folder:
        paths = _runs(Path(folder), count)
        reports = [open_run(path) for path in paths]
        merged, opened = turns(size, lambda: merge(reports), lambda: [open_run(path) for path in paths])
    return [Row(f"merging {count} shards", "opening them", over(merged, opened), value=median(merged))]


def open_rows(size: Size) -> list[Row]:
    """Opening a run beside reading its bytes, and its first picture beside opening it."""
    from inspector import open_run

    with tempfile.TemporaryDirectory() as folder:
        path = _runs(Path(folder), 1)[0]
        files = [one for one in path.rglob("*") if one.is_file()]
        opened, read = turns(size, lambda: open_run(path), lambda: [one.read_bytes() for one in files])
        drawn = [seconds(lambda: open_run(path).figure("massive.life_cycle")) for _ in range(size.rounds)]
    return [
        Row("opening a run", "reading its files", over(opened, read), value=median(opened)),
        Row("opening and a first picture", "opening", over(drawn, opened), value=median(drawn)),
    ]


def asking_rows(size: Size) -> list[Row]:
    """Answers a second beside a loop over `generate`."""
    from benchmarks import asking
    from inspector.hallucination.questions.sets import load

    questions = load("world_facts", count=4 if size.quick else 400)
    few = questions[:2] if size.quick else questions[:: max(1, len(questions) // asking.FEW)]
    ours, loop = asking.ours(), asking.plain(together=True)
    for ask in (ours, loop):
        ask(questions[:1])
    mine, theirs = turns(size, lambda: ours(questions), lambda: loop(few))
    a_question = [one / len(questions) for one in mine], [one / len(few) for one in theirs]
    rate = len(questions) * (1 + asking.SAMPLING.samples) / statistics.median(mine)
    ratios = over(*a_question[::-1])
    return [Row("a question by `generate`", "by inspector", ratios, asking.TARGET, True, f"{rate:.0f} answers/s")]


def cett_rows(size: Size) -> list[Row]:
    """CETT of answers by hprobes' own functions, an answer at a time (its default) and in batches, beside ours."""
    from benchmarks import cett

    name, count = "hprobes' CETT", 20 if size.quick else 500
    try:
        measures = cett.contenders(count)
    except ImportError:
        return [Row(name, "ours", (), 5, least=True, note="hprobes is not installed")]
    ours, means = measures.pop("ours"), dict[str, np.ndarray]()
    found = []
    for how, theirs in measures.items():
        spent, mine = turns(size, partial(_kept, means, "theirs", theirs), partial(_kept, means, "ours", ours))
        cett.check_alike(**means)
        target = 5 if how == "one by one" else None
        found.append(Row(f"{name}, {how}", "ours", over(spent, mine), target, True, median(mine), f"{count} answers"))
    return found


def _kept(results: dict[str, Any], name: str, call: Callable[[], Any]) -> None:
    results[name] = call()


def _neurons(size: Size) -> tuple[np.ndarray, np.ndarray]:
    """As many neurons as the built-in model has, of answers, a few of which say whether they are wrong."""
    rng = np.random.default_rng(0)
    rows, columns = (60, 400) if size.quick else (500, 46_080)
    x = rng.lognormal(size=(rows, columns)).astype(np.float32)
    return x, x[:, :5].sum(axis=1) + rng.normal(size=rows) > np.median(x[:, :5].sum(axis=1))


def lasso_rows(size: Size) -> list[Row]:
    """The L1 path beside liblinear on every neuron, and beside skglm where that is installed."""
    from sklearn.linear_model import LogisticRegression

    from inspector.hallucination.probe.lasso import PENALTIES, balanced, path

    x, wrong = _neurons(size)
    weights = balanced(wrong, np.ones(len(x), dtype=bool))
    z = (x - x.mean(axis=0)) / x.std(axis=0)
    largest = np.abs(z.T @ (wrong - wrong.mean())).max()
    some = PENALTIES[-3:] if size.quick else PENALTIES

    def liblinear() -> None:
        for share in some:
            LogisticRegression(
                solver="liblinear", l1_ratio=1.0, C=1 / (share * largest), class_weight="balanced", max_iter=500
            ).fit(z, wrong)

    ours, theirs = turns(size, lambda: list(path(x, wrong, weights, some)), liblinear)
    note = f"{x.shape[0]} answers × {x.shape[1]:,} neurons"
    found = [Row("liblinear's L1 path", "ours", over(theirs, ours), 8, True, median(ours), note)]
    try:
        import skglm
    except ImportError:
        return [*found, Row("skglm's L1 path", "ours", (), note="skglm is not installed")]

    def with_skglm() -> None:
        for share in some:
            skglm.SparseLogisticRegression(alpha=share * largest / len(z)).fit(z, wrong)

    ours, theirs = turns(size, lambda: list(path(x, wrong, weights, some)), with_skglm)
    return [*found, Row("skglm's L1 path", "ours", over(theirs, ours), value=median(ours), note=note)]


def cuda_rows(size: Size) -> list[Row]:
    """A random model of Llama 8B's shape in bfloat16, 4,096 tokens, all layers and heads; where CUDA is."""
    import torch

    if not torch.cuda.is_available():
        return [Row("scan of a Llama 8B's shape", "bare prefill", (), 1.25, note="no CUDA here")]
    from benchmarks.cuda import llama_row

    return [llama_row(size.rounds)]


ROWS: dict[str, Callable[[Size], list[Row]]] = {
    "scan": scan_rows,
    "length": length_rows,
    "ray": ray_rows,
    "merge": merge_rows,
    "asking": asking_rows,
    "cett": cett_rows,
    "lasso": lasso_rows,
    "open": open_rows,
    "cuda": cuda_rows,
}
"""Groups of rows by name."""
