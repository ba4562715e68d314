"""What a run found: rows, the files that hold them, summaries over cases, and requirements."""
