"""What metrics are computed from: counts, distances between surfaces, sums of probabilities. Each is computed once."""
