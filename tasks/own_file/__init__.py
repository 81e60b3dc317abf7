"""Tasks whose questions come from a file of the user (docs/own_data.md)."""
