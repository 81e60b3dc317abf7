"""Audio synthesis of the demo data's sound events."""
