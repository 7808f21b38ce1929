"""What models are worth: figures, tables, pictures and plots of an evaluation."""
