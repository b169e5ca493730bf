"""What a store finds lost; said apart from the drivers, whose errors `errors` translates."""


class DatabaseLost(Exception):
    """The database that was opened is no longer the one that is there."""
