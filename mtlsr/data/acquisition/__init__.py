"""Data sets from the outside: where they are, and how they come whole and verified."""
