"""Surfaces of labels, and the distances between them."""
