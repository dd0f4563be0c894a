"""Texts to scan: the built-in ones, those in files, and those of whatever a notebook holds."""

from inspector.texts.contained import built_in
from inspector.texts.files import LINES, from_files, from_uploaded, suffix_of
from inspector.texts.inputs import Conversation, Given, Text, as_texts, is_conversation

__all__ = [
    "LINES",
    "Conversation",
    "Given",
    "Text",
    "as_texts",
    "built_in",
    "from_files",
    "from_uploaded",
    "is_conversation",
    "suffix_of",
]
