"""Metrics: arrays go in, numbers come out."""
