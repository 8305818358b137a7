"""Readers: one file a format, from what people have to catalogue rows. They know no store and no model."""
