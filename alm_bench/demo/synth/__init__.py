"""Synthesis of the demo world's sounds."""
