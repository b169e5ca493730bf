"""How a database URL is shown to people: a password can be in two places of it."""

from sqlalchemy import URL


def shown(url: URL) -> str:
    """Describe a database by its URL, without its password and without what its query holds."""
    return url.set(query={}).render_as_string(hide_password=True)
