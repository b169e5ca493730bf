"""A PostgreSQL is reached by the URL that libpq takes, whatever stands in it."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from harness import change, ids, settings_for, started_server
from ports import free_address
from syncline_server.store.postgresql.dsn import Dsn
from syncline_server.store.urls import DatabaseUrlInvalid

SECRET = "s3cret"


@asynccontextmanager
async def by_tcp(url: str) -> AsyncIterator[str]:
    """Lead a port to the socket of the tests' PostgreSQL; yields HOST:PORT."""
    folder = parse_qs(urlsplit(url).query)["host"][0]

    async def pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while chunk := await reader.read(65536):
            writer.write(chunk)
        writer.close()

    async def led(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_unix_connection(f"{folder}/.s.PGSQL.5432")
        await asyncio.gather(pipe(reader, back), pipe(there, writer), return_exceptions=True)

    server = await asyncio.start_server(led, "127.0.0.1")
    try:
        yield "{}:{}".format(*server.sockets[0].getsockname())
    finally:
        server.close()


async def found(dsn: Dsn) -> Any:
    connection = await dsn.connect("test")
    try:
        return await connection.fetchval("SELECT current_database()")
    finally:
        connection.terminate()


def name_of(url: str) -> str:
    return urlsplit(url).path[1:]


async def test_the_first_host_that_answers_is_taken(postgres_url: str):
    async with by_tcp(postgres_url) as address:
        dsn = Dsn(f"postgresql://postgres@{free_address()},{address}/{name_of(postgres_url)}")
        assert await found(dsn) == name_of(postgres_url)


async def test_a_host_that_says_nothing_takes_no_time_from_the_next(postgres_url: str):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent_address = "{}:{}".format(*silent.getsockname())
        async with by_tcp(postgres_url) as address:
            path = f"{name_of(postgres_url)}?connect_timeout=1"
            dsn = Dsn(f"postgresql://postgres@{silent_address},{address}/{path}")
            assert await found(dsn) == name_of(postgres_url)


@pytest.mark.parametrize("attributes", ["any", "primary", "read-write"])
async def test_a_server_takes_what_libpq_takes(postgres_url: str, attributes: str):
    async with by_tcp(postgres_url) as address:
        query = (
            f"target_session_attrs={attributes}&sslmode=prefer&connect_timeout=5&keepalives=1&channel_binding=prefer"
        )
        url = f"postgresql://postgres@{free_address()},{address}/{name_of(postgres_url)}?{query}"
        async with started_server(settings_for(url)) as server, server.client(device="a") as client:
            await client.push(change("create", "x"))
            assert ids((await client.pull("todo")).changes) == ["x"]


async def test_the_password_may_be_in_a_file(postgres_url: str, tmp_path: Path):
    passwords = tmp_path / "pgpass"
    passwords.write_text(f"*:*:*:*:{SECRET}\n")
    passwords.chmod(0o600)
    assert await found(Dsn(f"{postgres_url}&passfile={passwords}")) == name_of(postgres_url)


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("ssl=require", "sslmode"),
        ("sslmode=always", "`sslmode`"),
        ("target_session_attrs=standby", "`target_session_attrs`"),
        ("channel_binding=require", "`channel_binding`"),
        ("connect_timeout=soon", "`connect_timeout`"),
        ("port=99999", "port"),
        ("port=1,2", "`port`"),
        ("search_path=x", "`search_path`"),
    ],
)
def test_what_cannot_be_is_refused_by_name(query: str, named: str):
    with pytest.raises(DatabaseUrlInvalid, match=named):
        Dsn(f"postgresql://u:{SECRET}@localhost/db?{query}")


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        (f"postgresql://u:{SECRET}@a:5432,b:5433/db?sslmode=require", "postgresql://u:***@a:5432,b:5433/db"),
        (f"postgresql://u@[::1]:5432/db?password={SECRET}", "postgresql://u:***@[::1]:5432/db"),
        ("postgresql:///db?host=/var/run/postgresql", "postgresql:///db"),
    ],
)
def test_a_password_is_in_nothing_that_is_shown(url: str, shown: str):
    dsn = Dsn(url)
    assert str(dsn) == shown
    assert SECRET not in dsn.without_password
