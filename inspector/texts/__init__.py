"""Texts to scan: the built-in ones, those in files, and those of whatever a notebook holds."""

from inspector.texts.contained import built_in
from inspector.texts.corpora import Corpus, Entry, expanded
from inspector.texts.files import LINES, from_uploaded, suffix_of
from inspector.texts.inputs import Conversation, Given, Text, as_texts, entries, from_files, is_conversation

__all__ = [
    "LINES",
    "Conversation",
    "Corpus",
    "Entry",
    "Given",
    "Text",
    "as_texts",
    "built_in",
    "entries",
    "expanded",
    "from_files",
    "from_uploaded",
    "is_conversation",
    "suffix_of",
]
