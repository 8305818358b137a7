"""Cinegrain: what film genres hide, learned from trailers."""

__version__ = "0.1.0"
