"""Readers of catalogues and of vectors computed elsewhere. Know nothing of stores and models."""
