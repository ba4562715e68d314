"""Options, the plan of a run, and the scores of one case."""
