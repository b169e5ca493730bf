"""What may be wrong with a database URL."""


class DatabaseUrlInvalid(ValueError):
    """A database URL is not one of a database that is spoken here; the message has nothing of a password in it."""
