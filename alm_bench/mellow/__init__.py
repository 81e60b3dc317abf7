"""Mellow, the bundled model: a small audio-language model for reasoning (arXiv 2503.08540).

Suggested reading order of the modules: `config`, `logmel`, `htsat`, `mapper`, `lm`, `model`, `prompt`, `generate`,
`checkpoint`.
"""
