"""Stages: each reads artifacts of a run, calls the rooms below, and writes its own artifact."""
