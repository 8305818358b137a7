"""Explanations: a trained model and vectors go in; influence, neighbours and novelty come out."""
