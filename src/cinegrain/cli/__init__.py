"""The command line: parses arguments, calls a stage, and prints text or JSON."""
