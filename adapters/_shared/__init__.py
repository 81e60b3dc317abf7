"""Helper functions and base classes that several adapters use."""
