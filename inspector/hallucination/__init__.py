"""Candidate hallucination neurons: ask, judge, measure, select, score."""
