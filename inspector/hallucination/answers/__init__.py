"""Answers of a model to questions, and what is measured on them."""
