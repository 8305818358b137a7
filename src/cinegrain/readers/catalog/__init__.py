"""Catalogues: a table of films in any common form goes in, typed rows and a note for every oddity come out."""
