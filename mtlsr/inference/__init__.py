"""Networks at work on whole photographs."""
