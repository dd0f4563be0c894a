"""Measurements that are asked for, not flagged: attention patterns, the logit lens, neurons' states."""
