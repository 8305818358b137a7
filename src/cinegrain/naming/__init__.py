"""Words: what experts recognised and catalogues say goes in, the plain words that set a group apart come out."""
