"""Detectors: each measures evidence while activations stream by, and judges it afterwards."""
