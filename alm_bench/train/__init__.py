"""The trainer: recipes as TOML, stages, exact resume. One loop for every method."""
