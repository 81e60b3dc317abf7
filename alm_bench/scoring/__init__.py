"""Figures with intervals. Pure functions of stored rows."""
