"""Metrics: arrays go in, numbers come out. They know no model and no file."""
