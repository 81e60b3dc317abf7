"""What a run leaves behind, and the tables made from it."""
