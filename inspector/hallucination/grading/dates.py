"""Dates and decades written one way: day, month, year; and the four digits of a decade."""

import re
from functools import cache

from inspector.hallucination.grading.normalise import CARDINALS, ORDINALS
from inspector.hallucination.grading.same_names import rows

_TENS = ["twenties", "thirties", "forties", "fifties", "sixties", "seventies", "eighties", "nineties"]
_CENTURY = {
    name: str(13 + i)
    for i, name in enumerate(["thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"])
}
_DECADE = re.compile(
    rf"(?<!\bhis )(?<!\bher )(?<!\btheir )(?<!\bmy )(?:\b(?P<century>{'|'.join(_CENTURY)}"
    rf"|twenty)[\s-]+)?\b(?P<word>{'|'.join(_TENS)})\b"
    r"|(?<![\w.])['’‘]?(?P<digits>[2-9]0)['’]?s\b",
    re.IGNORECASE,
)
_YEARS = re.compile(r"\b(1[0-9]|20)(\d0)['’]s\b")


def decades(text: str) -> str:
    """ "The nineties", "the '90s" and "nineteen-nineties" are "1990s"; of the last century, where no other is named."""

    def digits(found: re.Match[str]) -> str:
        century = _CENTURY.get((found["century"] or "").lower(), "20" if found["century"] else "19")
        decade = found["digits"] or f"{20 + 10 * _TENS.index(found['word'].lower())}"
        return f"{century}{decade}s"

    return _DECADE.sub(digits, _YEARS.sub(r"\1\2s", text))


@cache
def _months() -> dict[str, str]:
    named = {name.lower(): names[0] for names in rows("month") for name in names}
    return named | {"sept": "September", "sep": "September"}


@cache
def _dates() -> tuple[re.Pattern[str], re.Pattern[str]]:
    month = "|".join(sorted(map(re.escape, _months()), key=len, reverse=True))
    day = r"(?P<day>[0-3]?\d)(?:st|nd|rd|th|\.|er|º)?"
    year = r"(?:(?:,|\.|\s+of|\s+de|\s+del)?\s*(?P<year>\d{3,4})\b)?"
    flags = re.IGNORECASE
    return (
        re.compile(
            rf"\b{day}[\s-]*(?:(?:of|de|di|van)\s+)?\b(?P<month>{month})\b\.?{year.replace(chr(92) + 's*', '[ -]*')}",
            flags,
        ),
        re.compile(rf"\b(?P<month>{month})\b\.?\s+(?:the\s+)?{day}(?![\d:/])(?!\s*(?:million|percent|%)){year}", flags),
    )


_ISO = re.compile(r"\b(\d{4})-([01]\d)-([0-3]\d)\b")
_SLASHED = re.compile(r"\b(\d{1,2})([/.])(\d{1,2})\2(\d{4})\b")
_ORDINAL_DAYS = re.compile(
    rf"\b(?:the\s+)?(?:(twenty|thirty)[\s-])?({'|'.join(ORDINALS)})(?=\s+(?:of\s+)?(?:january|february|march|"
    r"april|may|june|july|august|september|october|november|december)\b)",
    re.IGNORECASE,
)


def dates(text: str) -> str:
    """Dates are day, month, year: "May 8th, 1945" and "1945-05-08" are "8 May 1945", and BCE is BC."""
    if not re.search(r"\d|th\b|st\b|nd\b|rd\b", text):
        return text
    usual = [names[0] for names in rows("month")]
    text = _ISO.sub(lambda d: f"{int(d[3])} {usual[int(d[2]) - 1]} {d[1]}" if 1 <= int(d[2]) <= 12 else d[0], text)
    text = _SLASHED.sub(lambda d: _slashed(int(d[1]), int(d[3]), d[4], usual) or d[0], text)
    text = _ORDINAL_DAYS.sub(lambda d: _day(d[1], d[2]), text)
    for pattern in _dates():
        text = pattern.sub(_day_first, text)
    text = re.sub(r"(?<=\d)\s*B\.?\s?C\.?\s?E\b\.?|(?<=\d)\s*B\.\s?C\.?", " BC", text)
    return re.sub(r"\bA\.?D\.?\s+(\d+)\b|\b(\d+)\s*(?:C\.?E\b\.?|A\.D\.)", lambda d: f"{d[1] or d[2]} AD", text)


def _day(tens: str | None, ordinal: str) -> str:
    return str(CARDINALS.get((tens or "").lower(), 0) + ORDINALS[ordinal.lower()])


def _slashed(first: int, second: int, year: str, usual: list[str]) -> str:
    """Where only one of the two can be a month: 25/12/1945."""
    day, month = max(first, second), min(first, second)
    return f"{day} {usual[month - 1]} {year}" if 12 < day <= 31 and 1 <= month <= 12 else ""


def _day_first(found: re.Match[str]) -> str:
    month = _months()[found["month"].lower()]
    if not 1 <= int(found["day"]) <= 31:
        return found[0]
    return f"{int(found['day'])} {month}" + (f" {found['year']}" if found["year"] else "")
