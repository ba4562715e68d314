"""Label maps and probability maps on their grids: what lies where, and what labels are called."""
