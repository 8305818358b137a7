"""The embedding dataset: scenes and vectors of each trailer go in, arrays come out. It knows no model and no video."""
