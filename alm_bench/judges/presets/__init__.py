"""Built-in presets, one per module. Each module lists its presets in a tuple `PRESETS`."""
