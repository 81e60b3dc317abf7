"""Task families, one folder each. Found by `alm_bench.plugins`, never imported by name elsewhere."""
