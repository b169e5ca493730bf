"""The rules of sync, in the standard library alone."""
