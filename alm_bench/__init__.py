"""alm-bench: an evaluation harness for audio-language models."""

__version__ = "0.2.0"
