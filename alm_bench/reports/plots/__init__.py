"""Pictures of runs: charts are built from summaries and records, and drawn as SVG or PNG."""
