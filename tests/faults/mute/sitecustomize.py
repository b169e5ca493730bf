"""Makes servers mute that have this folder in PYTHONPATH: they announce none of their commits."""

import sys

from syncline_server.store.postgresql.notifications import PostgresqlNotifications


def _say_nothing(_: PostgresqlNotifications, project_id: int) -> None:
    print(f"a commit to project {project_id} is not announced", file=sys.stderr)


PostgresqlNotifications.announce = _say_nothing  # type: ignore[method-assign]  # that is the point
