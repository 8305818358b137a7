"""Sub-genres as people see and edit them: clusters and words go in; cards, their edits, and exchange files come out."""
