"""Question-answer rows from captions, written by a language model, and filters of such rows."""
