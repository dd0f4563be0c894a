"""What taking parts out of a model costs, tried without touching a weight: layers, heads, neurons, weights."""
