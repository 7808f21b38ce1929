"""Data sets looked at: what can be used, what is wrong with it, and how it looks."""
