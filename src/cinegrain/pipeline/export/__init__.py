"""Exported models: a folder that predicts without PyTorch."""
