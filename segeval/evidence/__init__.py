"""Evidence for metrics: counts, distances between surfaces, sums of probabilities, each computed once."""
