"""The screen of a detector that has no file of its own here."""

from dashboards import detector

detector.page()
