"""Experts: scenes go in, vectors and concepts come out. Know nothing of files, genres and stores."""
