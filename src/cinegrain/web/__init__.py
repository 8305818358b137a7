"""The explorer: shows a run in a browser, over a typed HTTP API."""
