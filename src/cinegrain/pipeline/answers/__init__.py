"""Answers about films: genres, reasons, sub-genre, similar films; and new films in the atlas."""
