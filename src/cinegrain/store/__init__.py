"""The embedding dataset: scenes and vectors go in, arrays come out. Knows nothing of models and videos."""
