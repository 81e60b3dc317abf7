"""Helpers that several adapters use."""
