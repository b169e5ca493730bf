"""SQL: the databases that hold the log."""
