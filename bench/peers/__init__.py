"""Syncline beside servers that people know, in the same run, on the same machine: `make bench-peers`."""
