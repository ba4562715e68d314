"""Where the surface of a label is, and how far two of them lie apart."""
