"""A report as one HTML file that works without a network: overview, pictures, items with players, comparisons."""

CLIPS_BY_DEFAULT = "wrong,changed,sample:20"
"""Default of `--clips`: items that were answered wrongly or differently, and some others."""

BUDGET_MB = 50.0
"""Default of `--mb`: largest size of all embedded clips in MB (1,000,000 bytes)."""
