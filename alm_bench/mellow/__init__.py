"""The bundled model: Mellow, a small audio-language model for reasoning (arXiv 2503.08540).

Read in this order: `config`, `logmel`, `htsat`, `mapper`, `lm`, `model`, `prompt`, `generate`, `checkpoint`.
"""
