"""The built-in texts, and texts from files."""

import json
from collections import Counter
from importlib.resources import files
from pathlib import Path

import pytest

from inspector.errors import InputError
from inspector.texts import built_in, from_files

ROWS = [
    json.loads(line)
    for line in files("inspector").joinpath("data/texts.jsonl").read_text(encoding="utf-8").splitlines()
]
KINDS = Counter(row["kind"] for row in ROWS)
KIND_OF = {row["text"]: row["kind"] for row in ROWS}


def test_there_are_at_least_200_built_in_texts_with_unique_ids() -> None:
    assert len(ROWS) >= 200
    assert len({row["id"] for row in ROWS}) == len({row["text"] for row in ROWS}) == len(ROWS)


def test_the_built_in_texts_are_of_several_kinds_and_scripts() -> None:
    assert {"prose", "code", "dialogue"} <= KINDS.keys() and len(KINDS) >= 5
    assert min(KINDS.values()) >= 5
    assert {"latin", "cyrillic", "cjk"} <= {script for row in ROWS for script in scripts(row["text"])}


def scripts(text: str) -> set[str]:
    """Some scripts that occur in a text."""
    spans = {"latin": "az", "cyrillic": "ая", "cjk": "一龥"}
    return {name for name, (low, high) in spans.items() if any(low <= c <= high for c in text)}


def test_all_texts_come_when_no_count_is_given_or_too_large_a_one() -> None:
    assert built_in() == built_in(10_000) == [row["text"] for row in ROWS]


@pytest.mark.parametrize("count", [1, 2, 7, 100, 239])
def test_a_count_gives_so_many_different_texts(count: int) -> None:
    assert len(set(built_in(count))) == len(built_in(count)) == count


@pytest.mark.parametrize("count", [40, 100])
def test_a_count_mixes_the_kinds_as_the_whole_does(count: int) -> None:
    mixed = Counter(KIND_OF[text] for text in built_in(count))
    for kind, number in KINDS.items():
        assert abs(mixed[kind] - count * number / len(ROWS)) <= 1


def write(folder: Path, name: str, content: str) -> Path:
    path = folder / name
    path.write_bytes(content.encode())
    return path


def test_a_text_file_is_one_text_as_it_stands(tmp_path: Path) -> None:
    assert from_files([write(tmp_path, "a.txt", "One.\n\n Two.\n")]) == ["One.\n\n Two.\n"]


def test_a_jsonl_file_is_a_text_a_line_and_blank_lines_are_skipped(tmp_path: Path) -> None:
    path = write(tmp_path, "a.jsonl", '{"text": "eins"}\r\n\n  \n{"text": "zw\\nei", "id": 2}')
    assert from_files([path]) == ["eins", "zw\nei"]


def test_files_keep_their_order(tmp_path: Path) -> None:
    paths = [write(tmp_path, name, name) for name in ("b.txt", "a.txt")]
    assert from_files(paths) == ["b.txt", "a.txt"]


@pytest.mark.parametrize("odd", ["\u2028", "\u0085", "\x0c", "\x1e"])
def test_only_a_newline_ends_a_line_of_jsonl(tmp_path: Path, odd: str) -> None:
    text = f"before{odd}after"
    path = write(tmp_path, "a.jsonl", json.dumps({"text": text}, ensure_ascii=False).replace("\\f", odd) + "\n")
    if odd in "\x0c\x1e":  # JSON escapes these inside strings; between values they are not a newline either
        path = write(tmp_path, "a.jsonl", json.dumps({"text": text}) + "\n")
    assert from_files([path]) == [text]


@pytest.mark.parametrize("name", ["a.txt", "a.jsonl"])
def test_a_byte_order_mark_is_not_part_of_the_text(tmp_path: Path, name: str) -> None:
    content = "word" if name == "a.txt" else '{"text": "word"}'
    assert from_files([write(tmp_path, name, "\ufeff" + content)]) == ["word"]


@pytest.mark.parametrize(
    "line",
    ["not json", "[1]", '"text"', "3", "null", '{"txt": "a"}', '{"text": null}', '{"text": ["a"]}', '{"text": 3}'],
)
def test_a_line_without_a_text_is_named_with_its_number(tmp_path: Path, line: str) -> None:
    path = write(tmp_path, "a.jsonl", '{"text": "fine"}\n\n' + line + "\n")
    with pytest.raises(InputError, match=r"a\.jsonl' line 3 "):
        from_files([path])


@pytest.mark.parametrize("name", ["a.txt", "a.jsonl"])
@pytest.mark.parametrize("content", ["", " \n\t\n"])
def test_an_empty_file_is_refused(tmp_path: Path, name: str, content: str) -> None:
    with pytest.raises(InputError, match="is empty"):
        from_files([write(tmp_path, name, content)])


def test_a_file_that_is_not_utf8_is_refused_with_the_first_bad_byte(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"caf\xe9")
    with pytest.raises(InputError, match=r"a\.txt' is not UTF-8 \(byte 3\)"):
        from_files([tmp_path / "a.txt"])


@pytest.mark.parametrize("name", ["absent.txt", "."])
def test_what_can_not_be_read_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="can't be read"):
        from_files([tmp_path / name])


@pytest.mark.parametrize("name", ["a.JSONL", "a.ndjson", "a.JsonLines", "a.NDJSON"])
def test_json_lines_are_known_by_any_of_their_suffixes_in_any_case(tmp_path: Path, name: str) -> None:
    assert from_files([write(tmp_path, name, '{"text": "one"}\n{"text": "two"}\n')]) == ["one", "two"]


@pytest.mark.parametrize("name", ["a.json", "a.JSON"])
def test_a_json_list_is_a_text_an_entry(tmp_path: Path, name: str) -> None:
    assert from_files([write(tmp_path, name, '["one", {"text": "two"}]')]) == ["one", "two"]
    for content in ('{"text": "one"}', "[]", "[3]", '[{"txt": "one"}]', "{", '"one"'):
        with pytest.raises(InputError, match=r"a\.(json|JSON)'"):
            from_files([write(tmp_path, name, content)])


@pytest.mark.parametrize("name", ["a.Xml", "a.html", "a.yaml", "a.xlsx", "a.jsonl.xz"])
def test_markup_is_not_scanned_as_one_text(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match=r"is not read\. Convert it to \.jsonl"):
        from_files([write(tmp_path, name, "text\none\n")])


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("report", b"%PDF-1.7\n1 0 obj\n<< /Type /Catalog >>\nendobj\n", "is a PDF"),
        ("report.txt", b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n", "is a PDF"),
        ("marked.txt", "Words with a mark.".encode("utf-16"), "is UTF-16"),
        ("letter", b"{\\rtf1\\ansi Dear", "is RTF"),
        ("page", b"<!DOCTYPE html><html><body>Words</body></html>", "is HTML"),
        ("notes.txt", "Words as Windows saves them.".encode("utf-16-le"), "as UTF-16"),
        ("notes", "สวัสดี hello".encode("utf-16-be"), "UTF-16|not UTF-8"),
        ("program", b"ELF\x02\x01\x01\x00\x00", "control characters"),
    ],
)
def test_what_is_no_text_is_refused_whatever_its_name(tmp_path: Path, name: str, content: bytes, kind: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=kind):
        from_files([tmp_path / name])


def test_a_text_may_be_about_markup_or_have_colours(tmp_path: Path) -> None:
    for name, text in (
        ("a.txt", "<html> is where a page begins."),
        ("b", "\x1b[1mBold words of a terminal\x1b[0m" * 3),
    ):
        assert from_files([write(tmp_path, name, text)]) == [text]


def test_json_lines_under_another_suffix_are_named_and_a_txt_is_one_text(tmp_path: Path) -> None:
    lines = '{"text": "one"}\n{"text": "two"}\n'
    for name in ("a.dat", "a"):
        with pytest.raises(InputError, match=r"Name it \.jsonl"):
            from_files([write(tmp_path, name, lines)])
    assert from_files([write(tmp_path, "a.TXT", lines), write(tmp_path, "a.py", "{}  # code\n")]) == [
        lines,
        "{}  # code\n",
    ]
