"""Calls that a bridge carries to the handlers, many in a message."""
