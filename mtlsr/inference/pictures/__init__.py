"""Picture files on their way through an `Upscaler`: read, and written as they grow."""
