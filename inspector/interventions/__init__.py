"""Changes of activations: what they are, how they are applied, and mean values for them."""
