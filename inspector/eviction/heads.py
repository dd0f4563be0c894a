"""Heads that can forget: which ones a window with first tokens would serve, and whether it does."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from inspector.arguments import Count, Number, Share, takes
from inspector.batches import TokenSequence, batches, token_table, tokenise
from inspector.detectors.compression.figures import eviction_losses, head_reach, window_costs
from inspector.detectors.compression.kept import NAME, tables_of
from inspector.detectors.compression.recipe import recipe_of
from inspector.detectors.compression.sentences import LESS, NO_LESS, NOT_FINITE, UNTESTED, freed, of_windows
from inspector.errors import InputError, ModelError
from inspector.eviction.limits import Heads, HeavyHitters, Window, evicted
from inspector.eviction.reducer import SHARES, TOP, Reach
from inspector.models import Model
from inspector.models.conversations import texts_for
from inspector.models.observe import observe
from inspector.pages import page
from inspector.progress import Reported, Task, progress_of
from inspector.run.measurements import Keepable, Measurements
from inspector.run.report import RECIPE
from inspector.texts import Given, built_in
from inspector.verification.text_bench import BATCH_TOKENS, TextBench, over_texts
from inspector.verification.trials import p_value
from inspector.verification.verdicts import LEVEL

TEXTS, LENGTH, LATER = 16, 256, 64
"""Texts, half of them to choose heads on; tokens of each; and tokens that must be left past the window."""
MOST = 0.05
"""A head whose attention to keys outside the window is at most this is said to be served by it."""
CONTROLS, CURVE_CONTROLS = 20, 3
"""Sets of as many random heads beside the chosen ones, and beside each share of heads."""
CURVE = (0.25, 0.5, 0.75, 0.9)
"""Shares of all heads, those that look least outside first."""


@dataclass(frozen=True, repr=False, eq=False)
class WindowableHeads(Keepable):
    """Which heads a window over the cache with some first keys would serve, and what it costs to give it them.

    Args:
        window: which keys stay.
        heads: one row per head, from the texts that heads are chosen on: layer, head, kv_head, first, last and
            elsewhere (mean attention of queries past the window to its first keys, its last ones, and all others),
            keys_90, keys_95, keys_99 (how many keys hold so much of a query's attention), top_16, top_64 (what so many
            hold), served (whether the head is chosen).
        tests: one row per set of heads under the window, on the other texts: heads (chosen, random, or a share of all
            heads, least elsewhere first), share, count, loss (its change, nats a token) and kl (from the unmodified
            model) with intervals over texts; draw (which random set; −1 for none).
        caches: one row per rule that all heads are put under: rule, size (keys), loss and kl as above.
        facts: texts, tokens, seed, p (of as small a kl among the random sets), verdict.
        card: the model's.
        inputs: the input tokens that heads are chosen on.
    """

    window: Window
    heads: pd.DataFrame
    tests: pd.DataFrame
    caches: pd.DataFrame
    facts: Mapping[str, Any]
    card: Mapping[str, Any]
    inputs: Mapping[str, np.ndarray]

    @cached_property
    def served(self) -> dict[int, tuple[int, ...]]:
        """The chosen heads, by layer."""
        chosen = self.heads[self.heads["served"]]
        return {int(str(layer)): tuple(rows["head"].tolist()) for layer, rows in chosen.groupby("layer")}

    @cached_property
    def freed(self) -> float:
        """Share of the model's key-value heads all of whose query heads are chosen: what of a cache can be small."""
        return freed(self.heads)

    def sentences(self) -> list[str]:
        """Which heads, what the test says, and how whole caches do, in words."""
        return list(of_windows(self.heads, self.tests, self.caches, self._facts))

    def recipe(self) -> dict[str, Any]:
        """The heads as data, with the test behind them; none where it didn't show that they cost less than others."""
        kept = self.measurements()
        found = recipe_of(kept.tables, {kept.part: kept.facts})
        return {"version": RECIPE, "model": self.card["fingerprint"], **found}

    def figure(self) -> go.Figure:
        """Where each head's attention goes: first keys, last keys, elsewhere."""
        return head_reach(self.heads, self.window.first, self.window.last, self.facts["most"])

    def test_figure(self) -> go.Figure:
        """The KL over the share of heads under the window: those that look least outside, beside random ones."""
        return window_costs(self.tests, self.window.first, self.window.last)

    def caches_figure(self) -> go.Figure:
        """The loss with all heads under one rule, caches of one size."""
        return eviction_losses(self.caches)

    @property
    def _facts(self) -> dict[str, Any]:
        return {"first": self.window.first, "last": self.window.last, **self.facts}

    def measurements(self) -> Measurements:
        """What is kept of it in a run."""
        frames = {"windowable_heads": self.heads, "window_tests": self.tests, "evictions": self.caches}
        return Measurements(NAME, "windows", self.card, self.inputs, tables_of("windows", frames), self._facts)

    def __repr__(self) -> str:
        chosen = int(self.heads["served"].sum())
        return f"<WindowableHeads: {chosen} of {len(self.heads)} under a window of {self.window.size} keys>"

    def _repr_html_(self) -> str:
        return page(repr(self), self.sentences(), {"Caches": self.caches, "Tests": self.tests, "Heads": self.heads})


@takes
def windowable_heads(
    model: Model,
    texts: Given | None = None,
    *,
    window: Window | None = None,
    most: Share = MOST,
    length: Count = LENGTH,
    controls: Number = CONTROLS,
    bos: bool | None = None,
    seed: Number = 0,
    progress: Reported = None,
) -> WindowableHeads:
    """Which heads need only a text's first keys and the last ones, tested on other texts beside random heads.

    Keys keep their own positions and are masked; nothing is moved, so there is no other model that is tested than the
    text's own. A query before the window is full sees everything.

    Args:
        model: from `load_model`.
        texts: 16 of `length` tokens or more, half of them to choose on; built-in ones, several after one another, where
            None.
        window: which keys stay: the first 4 and the last 64 where None.
        most: attention outside the window up to which a head is chosen.
        length: tokens of a text, at least 64 more than the window has keys.
        controls: sets of as many random heads; fewer than 20 can't give p < 0.05.
        bos: True prepends one BOS to each text, False none, None does what the tokenizer does.
        seed: of the random heads.
        progress: hears of the tasks `reading` and `limiting`, in tokens and passes.

    Raises:
        InputError: too few texts that are long enough, or numbers out of range.
        ModelError: the model's attention can't be limited.
    """
    window = Window() if window is None else window
    _refuse(model, window, length)
    rows = _rows(model, texts, length, bos)
    chosen_on, tested_on = rows[0::2], rows[1::2]
    table = _measured(model, chosen_on, window, most, progress)
    served = _by_layer(table[table["served"]])
    bench = TextBench(model, tested_on, [], start=window.size)
    rng = np.random.default_rng(seed)
    sets = _sets(table, served, controls, rng)
    rules = _rules(window)
    task = progress_of(progress).task("limiting", 1 + len(sets) + len(rules))
    before = bench.outcome((), ("loss", "kl"))["loss"]
    task.advance()
    tests = [{**named, **_outcome(model, bench, before, window, heads, task)} for named, heads in sets]
    caches = [
        {"rule": rule, "size": limit.size, **_outcome(model, bench, before, limit, None, task)}
        for rule, limit in rules.items()
    ]
    found = pd.DataFrame(tests, columns=TESTS)
    p, verdict = _verdict(found)
    facts = {
        "texts": [len(chosen_on), len(tested_on)],
        "tokens": length,
        "dtype": model.card["dtype"],
        "most": most,
        "seed": seed,
        "p": p,
        "verdict": verdict,
    }
    inputs = token_table(chosen_on, model.tokenizer)
    return WindowableHeads(window, table, found, pd.DataFrame(caches), facts, model.current_card(), inputs)


ENDS = ["loss", "loss_low", "loss_high", "kl", "kl_low", "kl_high"]
TESTS = ["heads", "share", "count", "draw", *ENDS]


def _refuse(model: Model, window: Window, length: int) -> None:
    if length < window.size + LATER:
        raise InputError(
            f"Texts of {length} tokens under a window of {window.size} keys leave {max(0, length - window.size)} "
            f"queries that it takes keys from. Use a length of {window.size + LATER} or more."
        )
    if length > model.shape.context:
        raise InputError(f"Texts of {length} tokens, and the model's context is {model.shape.context}. Use fewer.")
    if model.route != "streamed":
        raise ModelError(f"{model.card['architecture']} has attention whose keys can't be limited here.")


def _rows(model: Model, texts: Given | None, length: int, bos: bool | None) -> list[TokenSequence]:
    """Texts cut to one length; built-in ones, which are shorter, several after one another."""
    if texts is None:
        joined = -(-length // 80)
        parts = built_in(joined * TEXTS)
        if len(parts) < joined * TEXTS:
            longest = 80 * (len(parts) // TEXTS)
            raise InputError(
                f"Built-in texts make {TEXTS} of {longest} tokens, not of {length}. Give your own (texts=)."
            )
        given = ["\n\n".join(parts[i * joined : (i + 1) * joined]) for i in range(TEXTS)]
    else:
        given = texts_for(model.tokenizer, texts)
    rows = tokenise(model.tokenizer, given, bos=bos, window=length)
    rows = [row for row in rows if row.start == 0 and len(row.ids) == length]
    if len(rows) < TEXTS // 2:
        raise InputError(
            f"{len(rows)} texts have {length} tokens or more. Give at least {TEXTS // 2}, better {TEXTS}: half are to "
            "choose heads on; or use a shorter length."
        )
    return rows


def _measured(
    model: Model, rows: Sequence[TokenSequence], window: Window, most: float, progress: Reported
) -> pd.DataFrame:
    """One row per head: where its attention goes."""
    reach = Reach(model, window)
    task = progress_of(progress).task("reading", sum(len(row.ids) for row in rows))
    observe(model, batches(rows, BATCH_TOKENS, model.pad_id), [reach], task=task)
    arrays = {name: values.mean(axis=0) for name, values in reach.evidence().arrays.items() if name != "text"}
    layers = list(model.shape.layers_of("attention"))
    layer, head = (x.reshape(-1) for x in np.meshgrid(layers, np.arange(model.shape.heads), indexing="ij"))
    columns: dict[str, Any] = {"layer": layer, "head": head}
    columns["kv_head"] = head // max(1, model.shape.heads // model.shape.kv_heads)
    columns |= {name: arrays[name][layers].reshape(-1) for name in ("first", "last", "elsewhere")}
    counts, held = (arrays[name][layers].reshape(len(layer), -1).T for name in ("keys", "top"))
    columns |= {f"keys_{round(100 * share)}": values for share, values in zip(SHARES, counts, strict=True)}
    columns |= {f"top_{k}": values for k, values in zip(TOP, held, strict=True)}
    table = pd.DataFrame(columns)
    return table.assign(served=table["elsewhere"] <= most)  # false where it is NaN


def _sets(
    table: pd.DataFrame, served: Heads, controls: int, rng: np.random.Generator
) -> list[tuple[dict[str, Any], Heads]]:
    """Sets of heads to put under the window: the chosen ones, random ones, and growing shares of all."""
    every, count = len(table), int(table["served"].sum())

    def random(size: int) -> Heads:
        return _by_layer(table.iloc[np.sort(rng.choice(every, size, replace=False))])

    def named(heads: str, size: int, draw: int = -1) -> dict[str, Any]:
        return {"heads": heads, "share": size / every, "count": size, "draw": draw}

    found: list[tuple[dict[str, Any], Heads]] = []
    if count:
        found.append((named("chosen", count), served))
    if 0 < count < every:
        found += [(named("random", count, draw), random(count)) for draw in range(controls)]
    order = table.sort_values("elsewhere", kind="stable")
    for size in (round(share * every) for share in CURVE):
        found.append((named("least elsewhere", size), _by_layer(order.head(size))))
        if controls:
            found += [(named("random share", size, draw), random(size)) for draw in range(CURVE_CONTROLS)]
    return found


def _rules(window: Window) -> dict[str, Window | HeavyHitters]:
    """Caches of one size, by name."""
    heavy = window.size // 2
    rules: dict[str, Window | HeavyHitters] = {f"the last {window.size} keys": Window(0, window.size)}
    if window.first:
        rules[f"the first {window.first} and the last {window.last}"] = window
    rules[f"{heavy} heavy hitters and the last {window.size - heavy}"] = HeavyHitters(heavy, window.size - heavy)
    return rules


def _by_layer(rows: pd.DataFrame) -> Heads:
    return {int(str(layer)): tuple(sorted(some["head"].tolist())) for layer, some in rows.groupby("layer")}


def _outcome(
    model: Model, bench: TextBench, before: np.ndarray, limit: Window | HeavyHitters, heads: Heads | None, task: Task
) -> dict[str, float]:
    """The change of loss, and the kl, with intervals over texts."""
    with evicted(model, limit, heads):
        found = bench.outcome((), ("loss", "kl"))
    task.advance()
    return over_texts({"loss": found["loss"] - before, "kl": found["kl"]})


def _verdict(tests: pd.DataFrame) -> tuple[float, str]:
    """Of as small a kl among random sets of heads as the chosen ones have."""
    chosen, random = (tests.loc[tests["heads"] == name, "kl"].to_numpy() for name in ("chosen", "random"))
    if not len(chosen) or not len(random):
        return float("nan"), UNTESTED
    if not np.isfinite(chosen).all():
        return float("nan"), NOT_FINITE
    p = p_value("fall", chosen[0], random)
    if p < LEVEL:
        return p, LESS
    return p, NO_LESS if 1 / (1 + len(random)) < LEVEL else UNTESTED
