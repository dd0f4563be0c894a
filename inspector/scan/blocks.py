"""A corpus as blocks of input sequences: what is tokenised, batched and added up before the next is read."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain

from inspector.batches import TokenSequence, longest_first, text_ids, windows
from inspector.errors import InputError
from inspector.models import Model, refuse_ids
from inspector.models.conversations import one_text_for
from inspector.texts import Entry

TOKENS = 1 << 16
"""A block of short texts has at least so many: batches of texts of one length need many to choose from."""


@dataclass(frozen=True)
class Cut:
    """How texts become input sequences.

    Args:
        bos: as `examine` takes it.
        window: tokens of the longest sequence.
        first: number of the first text and of the first sequence.
        shard: (3, 16) takes every sixteenth text from the third on.
        sample: sequences that a block has at the least, so that a scan of no more has one block.
    """

    bos: bool | None
    window: int
    first: int
    shard: tuple[int, int] | None
    sample: int

    def has(self, source: int) -> bool:
        """Whether a text, by its number, is in the shard."""
        return self.shard is None or (source - self.first) % self.shard[1] == self.shard[0] - 1


@dataclass(frozen=True)
class Counts:
    """What was read: texts, sequences, tokens; texts cut to windows, that begin with one BOS or two, that are empty."""

    texts: int = 0
    sequences: int = 0
    tokens: int = 0
    cut: int = 0
    bos: int = 0
    twice: int = 0
    empty: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(*(mine + its for mine, its in zip(vars(self).values(), vars(other).values(), strict=True)))


@dataclass(frozen=True)
class Block:
    """Input sequences that are measured together.

    Args:
        number: from 0.
        rows: the sequences; all windows of a text are in one block.
        following: numbers of the text and the sequence that come after it.
        counts: what was read for it.
        share: how much of the corpus was read with it; None where nobody knows.
        last: whether nothing comes after it.
    """

    number: int
    rows: tuple[TokenSequence, ...]
    following: tuple[int, int]
    counts: Counts
    share: float | None
    last: bool

    @cached_property
    def ordered(self) -> list[TokenSequence]:
        """The sequences in the order in which they are measured."""
        return longest_first(self.rows)


def blocks(
    model: Model, texts: Iterable[Entry], cut: Cut, begin: tuple[int, tuple[int, int]] | None = None
) -> Iterator[Block]:
    """A corpus block by block; the same corpus gives the same blocks.

    Args:
        model: whose tokenizer and vocabulary count.
        texts: all of the corpus.
        cut: how it is cut.
        begin: the number of the first block to give and where it begins; what comes before is read past.

    Raises:
        InputError: a text that can't be given to the model.
    """
    number, (first, row) = begin or (0, (cut.first, cut.first))
    reader = _Reader(model, cut, row)
    entries = enumerate(texts, start=cut.first)
    held = next(entries, None)
    while held is not None:
        (source, entry), held = held, next(entries, None)
        if source >= first:
            reader.read(source, entry)
        if reader.rows and (held is None or reader.full):
            yield reader.block(number, source + 1, entry.share, held is None)
            number += 1


class _Reader:
    """Fills one block after another."""

    def __init__(self, model: Model, cut: Cut, row: int) -> None:
        self.model, self.cut, self.row = model, cut, row
        self.rows: list[TokenSequence] = []
        self.counts = Counts()

    @property
    def full(self) -> bool:
        return len(self.rows) >= self.cut.sample and self.counts.tokens >= TOKENS

    def read(self, source: int, entry: Entry) -> None:
        """Add a text's sequences; of a text in another shard only their number counts."""
        if entry.text is None:
            self.counts += Counts(empty=int(self.cut.has(source)))
            return
        text = one_text_for(self.model.tokenizer, entry.text)
        ids = text_ids(self.model.tokenizer, text, self.cut.bos, source - self.cut.first)
        rows = windows(ids, self.cut.window, self.row, source)
        self.row += len(rows)
        if self.cut.has(source):
            refuse_ids(self.model, rows)
            self.rows += rows
            self.counts += _counted(self.model, rows)

    def block(self, number: int, following: int, share: float | None, last: bool) -> Block:
        """What was filled, and an empty one in its place."""
        made = Block(number, tuple(self.rows), (following, self.row), self.counts, share, last)
        self.rows, self.counts = [], Counts()
        return made


def _counted(model: Model, rows: Sequence[TokenSequence]) -> Counts:
    bos, ids = getattr(model.tokenizer, "bos_token_id", None), rows[0].ids
    return Counts(
        texts=1,
        sequences=len(rows),
        tokens=sum(len(row.ids) for row in rows),
        cut=int(len(rows) > 1),
        bos=int(ids[0] == bos),
        twice=int(ids[:2] == (bos, bos)),
    )


def read_ahead(stream: Iterator[Block], cut: Cut) -> tuple[Block, Iterator[Block]]:
    """The first block, and all of them.

    Raises:
        InputError: there is none.
    """
    first = next(stream, None)
    if first is None and cut.shard is not None:
        number, of = cut.shard
        raise InputError(f"Shard {number}/{of} has no text: there are fewer texts than shards. Use fewer shards.")
    if first is None:
        raise InputError("No texts were given. Pass at least one.")
    return first, chain([first], stream)
