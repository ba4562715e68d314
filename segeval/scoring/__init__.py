"""From what was asked for and two files to the scores of a case."""
