"""What a smaller key-value cache would break: heads under a window, and caches that keep some keys only."""
