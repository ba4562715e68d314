"""Why numbers are what they are: other tools, losses, the contents of a file, slices to look at."""
