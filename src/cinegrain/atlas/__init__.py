"""Sub-genres as people see and edit them: clusters and words go in; cards, edits and exchange files come out."""
