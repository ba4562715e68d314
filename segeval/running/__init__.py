"""Score many cases: in processes, on a cluster, with a journal, in parts."""
