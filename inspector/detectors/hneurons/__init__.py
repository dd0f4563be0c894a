"""Candidate hallucination neurons."""
