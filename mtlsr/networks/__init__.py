"""Pure torch networks: the two stages, the table that names them, model folders on disk."""
