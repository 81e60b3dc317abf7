"""Metrics with confidence intervals, computed from stored items by pure functions."""
