"""How passes are run, whatever is set around them: without gradients, dropout or autocast."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import torch
from torch import nn

from inspector.models.placement import device_of


@contextmanager
def evaluating(hf: nn.Module) -> Iterator[None]:
    """Run the model as it is evaluated; a user's training mode comes back after."""
    training = [part for part in hf.modules() if part.training]
    device = device_of(hf).type
    try:
        for part in training:
            part.training = False
        with torch.no_grad(), ExitStack() as stack:
            if torch.is_autocast_enabled(device):
                stack.enter_context(torch.autocast(device, enabled=False))
            yield
    finally:
        for part in training:
            part.training = True
