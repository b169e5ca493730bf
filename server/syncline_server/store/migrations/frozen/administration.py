"""What schema 0004 has for operators: their keys, what they did, and the states of projects."""

import sqlalchemy as sa
from alembic.operations import Operations

from syncline_server.store.migrations.frozen.foundations import Name, there


def make_administration(on: Operations) -> None:
    on.create_table(
        "operators",
        there("id", Name),
        there("name", Name, comment="as the audit knows them"),
        there("role", Name),
        there("secret_hash", sa.LargeBinary()),
        there("created_at_us", sa.BigInteger()),
        sa.Column("revoked_at_us", sa.BigInteger()),
        sa.PrimaryKeyConstraint("id", name="pk_operators"),
        sa.CheckConstraint("role IN ('viewer', 'operator')", name="ck_operators_role"),
    )
    on.create_table(
        "audit",
        there("at_us", sa.BigInteger()),
        there("id", Name, comment="random: of acts at one time"),
        there("by", Name, comment="who"),
        there("act", Name, comment="what, as `key.revoke`"),
        there("project", Name, comment="name of the project that it concerned; empty: none"),
        there("subject", Name, comment="id of what it concerned; empty: the project, or all"),
        sa.PrimaryKeyConstraint("at_us", "id", name="pk_audit"),
    )
    on.create_index("ix_audit_project", "audit", ["project", "at_us", "id"])
    _only_append(on)
    refused = "since when all its calls are refused"
    on.add_column("projects", sa.Column("disabled_at_us", sa.BigInteger(), comment=refused))
    leaving = "when its rows go; until then it can be read"
    on.add_column("projects", sa.Column("delete_at_us", sa.BigInteger(), comment=leaving))


def _only_append(on: Operations) -> None:
    if on.get_bind().dialect.name == "sqlite":
        for verb in ("UPDATE", "DELETE"):
            on.execute(f"""
                CREATE TRIGGER audit_no_{verb.lower()} BEFORE {verb} ON audit
                BEGIN SELECT RAISE(ABORT, 'the audit is only appended to'); END""")
        return
    on.execute("""
        CREATE FUNCTION syncline_keep_audit() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            RAISE EXCEPTION 'the audit is only appended to';
        END $$""")
    on.execute("""
        CREATE TRIGGER syncline_keep_audit BEFORE UPDATE OR DELETE OR TRUNCATE ON audit
        FOR EACH STATEMENT EXECUTE FUNCTION syncline_keep_audit()""")
