"""Experts: from scenes to vectors and words. They know nothing of files, genres or stores."""
