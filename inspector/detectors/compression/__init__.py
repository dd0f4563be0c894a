"""What a smaller model would break: quantised, with a cache that forgets, or without some of its parts."""
