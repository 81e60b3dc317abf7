"""Files of a run folder: types, reading, writing, and the summary computed from the records."""
