"""What plain values there are, by concern; `mtlsr.runs.schema` puts them together."""
