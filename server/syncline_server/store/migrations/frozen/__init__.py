"""What migrations are made of where a file of one would be too long; frozen as they are."""
