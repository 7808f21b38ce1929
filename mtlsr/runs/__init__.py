"""One run's life: configuration, manifest, training, tracking, results."""
