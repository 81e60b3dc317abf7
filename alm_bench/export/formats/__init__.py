"""Export formats, one module per kind. Every module defines the tuple FORMATS and is found automatically."""
