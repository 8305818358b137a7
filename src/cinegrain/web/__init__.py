"""The explorer: a run in a browser, over a typed HTTP API."""
