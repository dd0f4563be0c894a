"""Correct, incorrect or abstained: answers graded against accepted ones."""
