"""Models that write: what their activations do in a prompt and in the tokens that follow it."""
