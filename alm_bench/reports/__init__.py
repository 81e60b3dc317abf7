"""Tables for people, made from records: of single runs, comparisons, leaderboards and ablations."""
