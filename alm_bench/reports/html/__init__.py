"""A report as one HTML file that works without a network: overview, pictures, items with players, comparisons."""
