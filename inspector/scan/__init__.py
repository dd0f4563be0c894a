"""Scanning texts with detectors: `examine`, block by block, here or on a cluster."""

from inspector.scan.checkpoints import Checkpoints
from inspector.scan.examine import examine

__all__ = ["Checkpoints", "examine"]
