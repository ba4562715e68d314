"""Analyse scores of several runs: pivot tables by factors, and data for figures."""
