"""Marks of a judge that takes long, kept one by one as they come: one odd reply or a kill loses none of the others."""

import json
from pathlib import Path

from inspector.errors import InputError
from inspector.hallucination.grading.graders import Judge, Mark
from inspector.hallucination.grading.marks import OddReply
from inspector.hallucination.questions.sets import Question

MOST_ODD = 20
"""Odd replies after which a judge isn't asked on: it doesn't follow instructions."""


class KeptMarks:
    """A judge, and the marks that it gave before.

    Args:
        judge: what marks answers.
        folder: has or gets `marks.jsonl`, for a judge whose marks are worth keeping; None keeps nothing.
    """

    def __init__(self, judge: Judge, folder: Path | None) -> None:
        self.judge, self.odd = judge, list[str]()
        self.log = folder / "marks.jsonl" if folder is not None and getattr(judge, "kept", False) else None
        self.known: dict[str, Mark] = {}
        if self.log is not None and self.log.exists():
            for line in self.log.read_text(encoding="utf-8", errors="replace").split("\n"):
                self._know(line)

    def _know(self, line: str) -> None:
        try:
            key, mark = json.loads(line)
        except (ValueError, TypeError):  # cut off by a kill: judged again
            return
        if isinstance(key, str) and mark in ("right", "wrong", "abstained"):
            self.known[key] = mark

    def mark(self, question: Question, text: str) -> Mark:
        """The mark of an answer; "abstained" stands in for an odd reply until `refuse_odd`.

        Raises:
            InputError: the judge can't be asked, or gave too many odd replies.
        """
        key = json.dumps([repr(self.judge), question.question, list(question.answers), text])
        if key in self.known:
            return self.known[key]
        try:
            mark = self.judge(question.question, question.answers, text)
        except OddReply as error:
            self.odd.append(str(error))
            if self.log is None or len(self.odd) >= MOST_ODD:
                self.refuse_odd()
            return "abstained"
        if self.log is not None:
            with self.log.open("a", encoding="utf-8") as out:
                out.write(f"\n{json.dumps([key, mark])}\n")
            self.known[key] = mark
        return mark

    def refuse_odd(self) -> None:
        """Say which replies were no marks, if some were.

        Raises:
            InputError: some were.
        """
        if self.odd:
            kept = f" {len(self.known):,} other marks are kept: the same command asks for the rest." if self.log else ""
            many = f" ({len(self.odd)} such replies)" if len(self.odd) > 1 else ""
            raise InputError(f"{self.odd[0]}{many}{kept}")
