"""Export of runs: tables of items for other programs, results for the Hugging Face hub, sections of model cards.

A format is one module in `formats/`. `push.py` uploads a run to the hub.
"""
