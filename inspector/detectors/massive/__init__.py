"""Massive activations."""
