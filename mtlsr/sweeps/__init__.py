"""Many runs: what a sweep consists of, what it found out, and how that is shown."""
