"""What `python -m mtlsr.prepare` does, and what it tells."""
