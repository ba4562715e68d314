"""Scores of several runs side by side: by factors, and as the series behind figures."""
