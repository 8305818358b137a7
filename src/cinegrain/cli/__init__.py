"""The command line: words and flags go in, text or JSON comes out. Every command is a thin shell around a verb."""
