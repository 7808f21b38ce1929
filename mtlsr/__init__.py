"""Two-stage multi-task super-resolution: train it, measure it, enlarge photographs with it."""

__version__ = "0.1.0"
