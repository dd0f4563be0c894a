"""What would break in a smaller model: schemes, windows and removals that were tried, kept in a run.

Nothing here is found in texts that are scanned: `inspector sensitivity`, `heads`, `pruning` and `compare` measure, and
keep their tables in a run (`--run`), which this shows.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from inspector.detectors.base import Names
from inspector.detectors.compression import sentences
from inspector.detectors.compression.recipe import recipe_of
from inspector.detectors.compression.schema import SCHEMA, TABLES
from inspector.detectors.measured import Measured
from inspector.detectors.shown import Headline, Screen, Term, TextTable, Tile
from inspector.figures.drawing import Drawing
from inspector.records import Evidence, Finding, Sentence

ACCENT = "#0B7285"


@dataclass(frozen=True)
class Thresholds:
    """None: what is measured is compared with random controls, not with a threshold."""


class Compression:
    """Shows what was tried of quantisation, eviction and pruning."""

    name = "compression"
    title = "What compression breaks"
    accent = ACCENT
    schema = SCHEMA
    command = "sensitivity"
    thresholds = Thresholds
    tables = tuple(TABLES)
    page = tuple(TABLES)
    terms = {
        "KL": Term(
            "KL",
            "How far a changed model's next-token distributions are from the unmodified model's, in nats a token.",
            "Σ p · (log p − log q)",
        ),
        "remedy": Term(
            "Remedy",
            "Something small that keeps its precision under a scheme. It helps where it takes away more of the cost "
            "than the same on random dims, tokens or matrices.",
        ),
        "window": Term(
            "Window",
            "A cache that keeps a text's first keys and the last ones.",
            "",
            "Xiao et al. 2023, StreamingLLM, arXiv 2309.17453",
        ),
        "heavy hitters": Term(
            "Heavy hitters",
            "Keys that received most attention so far; a cache that keeps these and the last ones.",
            "",
            "Zhang et al. 2023, H2O, arXiv 2306.14048",
        ),
        "Wanda": Term(
            "Wanda",
            "A weight's worth for pruning: its size times the size of what it multiplies.",
            "|W_ij| · ‖X_j‖",
            "Sun et al. 2023, arXiv 2306.11695",
        ),
    }
    screen = Screen(
        "What quantising, a smaller cache or pruning costs, and what is worth sparing.",
        path="compression",
        absent="Nothing was tried here: inspector sensitivity, heads, pruning and compare keep it with --run RUN.",
        measured="compression",
        order=4,
    )

    def judge(self, evidence: Evidence, names: Names, thresholds: Any = None) -> Sequence[Finding]:
        """Nothing: verdicts beside random controls stand in the tables."""
        return ()

    def sentences(self, m: Measured) -> Iterator[Sentence]:
        """What each measurement says."""
        facts = m.evidence.facts
        said: list[str] = []
        if m.has("quantisation"):
            for scheme, rows in m.frame("quantisation").groupby("scheme", sort=False):
                remedies = m.frame("remedies").query("scheme == @scheme")
                said += sentences.of_quantisation(rows, remedies, facts["quantisation"][str(scheme)]["words"])
        if m.has("windowable_heads"):
            heads, tests, caches = (m.frame(name) for name in ("windowable_heads", "window_tests", "evictions"))
            said += sentences.of_windows(heads, tests, caches, facts["windows"])
        if m.has("removals"):
            said += sentences.of_removals(m.frame("removals"), m.frame("removed_sets"), facts["removals"])
        if m.has("differing_layers"):
            said += facts["comparison"]["said"]
        yield from (Sentence(self.name, one) for one in said)

    def text_tables(self, m: Measured) -> Iterator[TextTable]:
        """The most costly parts, remedies, heads under the window, the cheapest parts."""
        return sentences.tables(m)

    def figures(self, m: Measured) -> Mapping[str, Drawing]:
        """A figure for each table."""
        from inspector.detectors.compression import figures

        return figures.drawings(m)

    def recipe(self, m: Measured) -> Mapping[str, Any]:
        """What to spare, and which heads can have a window."""
        tables = {name: m.frame(name) for name in TABLES if m.has(name)}
        return recipe_of(tables, m.evidence.facts)

    def tiles(self, m: Measured) -> Iterator[Tile]:
        """What the first scheme costs, and how many heads could have a window."""
        if m.has("quantisation"):
            whole = m.frame("quantisation").iloc[0]
            yield Tile(str(whole["scheme"]), f"{whole['kl']:.3g}", "nats a token from the unmodified model (KL)")
        if m.has("windowable_heads"):
            heads = m.frame("windowable_heads")
            yield Tile("Windowable heads", f"{int(heads['served'].sum()):,}", f"of {len(heads):,}")

    def headlines(self, m: Measured) -> Mapping[str, Headline]:
        """The numbers that two runs are compared by."""
        found: dict[str, Headline] = {}
        if m.has("quantisation"):
            wholes = m.frame("quantisation").query("what == 'all'")
            found |= {f"KL of {row.scheme}": Headline(float(row.kl)) for row in wholes.itertuples()}
        if m.has("windowable_heads"):
            found["windowable heads"] = Headline(float(m.frame("windowable_heads")["served"].sum()))
        return found
