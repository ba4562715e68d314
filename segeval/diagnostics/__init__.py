"""Explain numbers: results of other tools, losses, contents of files, slices of cases."""
