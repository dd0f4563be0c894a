"""What quantisation would break, tried without touching a weight: schemes, each matrix alone, and remedies."""
