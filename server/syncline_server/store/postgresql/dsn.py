"""Where a PostgreSQL is, in libpq's own words: the one place that connects to it.

A URL is taken as `psql` takes it (https://www.postgresql.org/docs/current/libpq-connect.html): several hosts, `sslmode`
and its files, `target_session_attrs`, `passfile`, `service`, and the environment (PGSSLMODE, PGPASSFILE …). asyncpg
reads most of it; what it would hand to the database as a setting is dealt with here.
"""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any, Final
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

import asyncpg

from syncline_server.store.urls import DatabaseUrlInvalid

_ATTRIBUTES: Final = "target_session_attrs"
_CHOICES: Final = {
    "sslmode": {"disable", "allow", "prefer", "require", "verify-ca", "verify-full"},
    _ATTRIBUTES: {"any", "primary", "read-write"},
    "channel_binding": {"disable", "prefer"},
    "gssencmode": {"disable", "prefer"},
    "load_balance_hosts": {"disable"},
}
"""Values that are possible: a standby cannot be written to, and asyncpg knows no more of the others."""
_FOR_ASYNCPG: Final = {
    *("host", "port", "dbname", "database", "user", "password", "passfile", "service", "sslmode", "sslcert", "sslkey"),
    *("sslrootcert", "sslcrl", "sslpassword", "sslnegotiation", "ssl_min_protocol_version", "ssl_max_protocol_version"),
    *(_ATTRIBUTES, "krbsrvname", "gsslib", "application_name", "options"),
}
_LEFT_OUT: Final = {
    *("connect_timeout", "keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count"),
    *("tcp_user_timeout", "fallback_application_name", "client_encoding", "sslcompression", "channel_binding"),
    *("gssencmode", "load_balance_hosts"),
}
"""What bears on libpq alone, or is so here whatever is asked for."""
_LAST_PORT: Final = 65535
_SECONDS: Final = 3
"""How long a host may take, as long as the URL says nothing else."""


class Dsn:
    """A PostgreSQL, and how it is reached."""

    def __init__(self, url: str) -> None:
        """Read `postgresql://[user[:password]@][host[:port][,…]][/database][?name=value[&…]]`.

        Raises DatabaseUrlInvalid, which never says more of it than the name of a parameter.
        """
        try:
            parts = urlsplit(url)
            pairs = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
        except ValueError:
            raise DatabaseUrlInvalid("not a database URL; give postgresql://…") from None
        login, _, place = parts.netloc.rpartition("@")
        user, _, password = login.partition(":")
        query = dict(pairs)
        _check(query)
        self._timeout = float(query.get("connect_timeout") or _SECONDS)
        self._hosts = list(_hosts(place, query))
        given = query.pop("password", "")
        self._password = unquote(password) or given or None
        if len(self._hosts) > 1:
            query.setdefault(_ATTRIBUTES, "read-write")
        kept = {name: value for name, value in query.items() if name not in _LEFT_OUT}
        self._query = kept
        self._user = f"{user}@" if user else ""
        self._place = place
        self._database = parts.path

    def __str__(self) -> str:
        """Describe it without its password, and without what else its query holds."""
        user = self._user.replace("@", ":***@") if self._password is not None else self._user
        return f"postgresql://{user}{self._place}{self._database}"

    @property
    def password(self) -> str | None:
        """The password that the URL has; None: it is elsewhere, or none is needed."""
        return self._password

    @property
    def without_password(self) -> str:
        """The URL as PostgreSQL's own programs take it; the password goes into their environment."""
        return self._url(self._place, self._query)

    async def connect(self, application_name: str) -> "asyncpg.Connection[Any]":
        """Connect to the first host that answers and is what it has to be.

        Each host gets its time: one that is gone without a word takes none from the next. Raises OSError,
        asyncpg.PostgresError and asyncpg.InterfaceError of the last one.
        """
        elsewhere = {name: value for name, value in self._query.items() if name not in {"host", "port"}}
        url = self._url("", elsewhere)
        settings = {} if "application_name" in self._query else {"application_name": application_name}

        async def connected(host: str | None, port: int | None) -> "asyncpg.Connection[Any]":
            return await asyncpg.connect(
                url, host=host, port=port, password=self._password, timeout=self._timeout, server_settings=settings
            )

        for host, port in self._hosts[:-1]:
            with suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                return await connected(host, port)
        return await connected(*(self._hosts[-1] if self._hosts else (None, None)))

    def _url(self, place: str, query: Mapping[str, str]) -> str:
        asked = f"?{urlencode(query, quote_via=quote)}" if query else ""
        return f"postgresql://{self._user}{place}{self._database}{asked}"


def _check(query: dict[str, str]) -> None:
    for name, value in query.items():
        if name == "ssl":
            raise DatabaseUrlInvalid("the database URL has `ssl`, which libpq does not know: give sslmode")
        if name not in _FOR_ASYNCPG | _LEFT_OUT:
            raise DatabaseUrlInvalid(
                f"the database URL has `{name}`, which is no parameter of libpq that is taken here"
            )
        possible = _CHOICES.get(name)
        if possible is not None and value not in possible:
            raise DatabaseUrlInvalid(f"`{name}` in the database URL must be one of {', '.join(sorted(possible))}")
    if not query.get("connect_timeout", "1").isdecimal():
        raise DatabaseUrlInvalid("`connect_timeout` in the database URL must be whole seconds")


def _hosts(place: str, query: dict[str, str]) -> Iterator[tuple[str, int]]:
    """Yield hosts with their ports; none where the environment names them."""
    ports = query.get("port", "").split(",")
    named = place.split(",") if place else query.get("host", "").split(",")
    if named == [""]:
        return
    if len(ports) not in (1, len(named)):
        raise DatabaseUrlInvalid("`port` in the database URL must be one, or one for each host")
    for number, one in enumerate(named):
        host, port = _split(one) if place else (one, "")
        port = port or ports[min(number, len(ports) - 1)] or "5432"
        if not port.isdecimal() or not 0 < int(port) <= _LAST_PORT:
            raise DatabaseUrlInvalid("a port in the database URL must be 1 to 65535")
        yield unquote(host) or "localhost", int(port)


def _split(place: str) -> tuple[str, str]:
    """Take HOST:PORT apart; a host may be an IPv6 address in brackets."""
    if place.startswith("["):
        host, closed, rest = place[1:].partition("]")
        if not closed:
            raise DatabaseUrlInvalid("not a database URL; give postgresql://…")
        return host, rest.removeprefix(":")
    host, _, port = place.partition(":")
    return host, port
