"""Tasks that are made of a question file of the user's own (docs/own_data.md)."""
