"""Results of a run: rows, summaries over cases, intervals and requirements."""
