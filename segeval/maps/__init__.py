"""Label maps, probability maps, their grids and the names of labels."""
