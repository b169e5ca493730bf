"""Copies of a PostgreSQL database, by its own programs pg_dump and pg_restore."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from syncline_server.store.copies import Copies, CopyRefused, Report, check_backup, check_new, made
from syncline_server.store.postgresql.dsn import Dsn

_TABLE: Final = "TABLE DATA"
_WANTED: Final = ("entities", "epochs", "heads")
_COUNT_TABLES: Final = (
    "SELECT count(*) FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = current_schema()::regnamespace"
)


class PostgresqlCopies(Copies):
    """See Copies."""

    def __init__(self, dsn: Dsn) -> None:
        self._dsn = dsn
        self._url = dsn.without_password

    def back_up(self, into: Path, report: Report) -> None:
        """Dump in one transaction, beside servers."""
        check_new(into)
        unfinished = into.with_name(f"{into.name}.part")
        with made(unfinished):
            options = ("--format=custom", "--no-owner", "--no-privileges", f"--file={unfinished}")
            self._run("pg_dump", *options, self._url)
            _check_ours(self._run("pg_restore", "--list", str(unfinished)), unfinished)
            unfinished.rename(into)
        size = into.stat().st_size
        report(size, size)

    def restore(self, backup: Path, report: Report) -> str:  # pg_restore says nothing of its progress
        """Restore into a database that is empty, all or nothing."""
        check_backup(backup)
        _check_ours(self._run("pg_restore", "--list", str(backup)), backup)
        if int(self._run("psql", "--no-psqlrc", "--tuples-only", f"--command={_COUNT_TABLES}", self._url)):
            raise CopyRefused(
                f"the database {self._dsn} is not empty: restore into a new one, then start servers with its URL"
            )
        options = ("--no-owner", "--no-privileges", "--exit-on-error", "--single-transaction")
        self._run("pg_restore", *options, f"--dbname={self._url}", str(backup))
        return ""

    def _run(self, program: str, *arguments: str) -> str:
        """Run a program of PostgreSQL; the password is in its environment, where other users do not see it."""
        if shutil.which(program) is None:
            command = " ".join((program, *map(_quoted, arguments)))
            raise CopyRefused(f"{program} is not installed here; where it is, run: {command}")
        environment = dict(os.environ)
        if self._dsn.password is not None:
            environment["PGPASSWORD"] = self._dsn.password
        ran = subprocess.run(  # noqa: S603  # a program by name, without a shell
            [program, *arguments], env=environment, capture_output=True, text=True, check=False
        )
        if ran.returncode:
            raise CopyRefused(
                f"{program} failed: {ran.stderr.strip().splitlines()[0] if ran.stderr else ran.returncode}"
            )
        return ran.stdout


def _check_ours(contents: str, backup: Path) -> None:
    tables: Sequence[str] = [line.split()[-2] for line in contents.splitlines() if _TABLE in line]
    if not all(any(table.startswith(wanted) for table in tables) for wanted in _WANTED):
        raise CopyRefused(f"{backup} is no backup of Syncline")


def _quoted(argument: str) -> str:
    return f"'{argument}'" if " " in argument else argument
