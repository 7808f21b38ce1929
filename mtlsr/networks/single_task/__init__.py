"""Single-task networks from their papers, to compare pairs with: one architecture a file."""
