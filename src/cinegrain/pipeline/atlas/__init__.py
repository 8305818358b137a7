"""The atlas of a run as people edit it: its log, its ids, and the files that it is exchanged in."""
