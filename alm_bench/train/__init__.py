"""Training of Mellow networks. Recipes are TOML files with stages; all stages share one loop, and interrupted runs
resume exactly."""
