"""Organisations, teams, users, memberships, invitations and linked identities."""

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    false,
    func,
)

from headrace_auth.adapters.postgres.tables.base import metadata, moment

ROLES = "role IN ('owner', 'admin', 'member', 'auditor', 'service')"

organizations = Table(
    "organizations",
    metadata,
    Column("id", Uuid(as_uuid=False), primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    moment("created_at"),
    Column("platform", Boolean, nullable=False, server_default=false()),
    Column("version", Integer, nullable=False, server_default="1"),
    Column("tier", Text, nullable=False, server_default="standard"),
    CheckConstraint("tier IN ('free', 'standard', 'premium')", name="tier"),
)

teams = Table(
    "teams",
    metadata,
    Column("id", Uuid(as_uuid=False), primary_key=True),
    Column("organization_id", ForeignKey(organizations.c.id), nullable=False),
    Column("name", Text, nullable=False),
    moment("created_at"),
    UniqueConstraint("organization_id", "name"),
    UniqueConstraint("id", "organization_id"),
)

users = Table(
    "users",
    metadata,
    Column("id", Uuid(as_uuid=False), primary_key=True),
    Column("email", Text),
    Column("password_hash", Text),
    Column("token_version", Integer, nullable=False),
    moment("created_at"),
    Column("kind", Text, nullable=False, server_default="person"),
    Column("name", Text, nullable=False, server_default=""),
    moment("email_verified_at", nullable=True),
    moment("disabled_at", nullable=True),
    CheckConstraint("token_version >= 1", name="token_version"),
    CheckConstraint("kind IN ('person', 'service')", name="kind"),
    CheckConstraint("kind = 'service' OR email IS NOT NULL", name="email"),
)
Index("ix_users_email", func.lower(users.c.email), unique=True)

memberships = Table(
    "memberships",
    metadata,
    Column("user_id", ForeignKey(users.c.id), nullable=False),
    Column("organization_id", ForeignKey(organizations.c.id), nullable=False),
    Column("role", Text, nullable=False),
    Column("team_id", Uuid(as_uuid=False)),
    moment("created_at"),
    Column("version", Integer, nullable=False, server_default="1"),
    PrimaryKeyConstraint("user_id", "organization_id"),
    # Both columns, so that nobody is in a team of another organisation.
    ForeignKeyConstraint(["team_id", "organization_id"], [teams.c.id, teams.c.organization_id]),
    CheckConstraint(ROLES, name="role"),
    Index("ix_memberships_organization_id", "organization_id"),
)

invitations = Table(
    "invitations",
    metadata,
    Column("id", Uuid(as_uuid=False), primary_key=True),
    Column("organization_id", ForeignKey(organizations.c.id), nullable=False),
    Column("email", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("team_id", Uuid(as_uuid=False)),
    Column("token_sha256", LargeBinary, nullable=False, unique=True),
    Column("created_by", ForeignKey(users.c.id), nullable=False),
    moment("created_at"),
    moment("expires_at"),
    moment("accepted_at", nullable=True),
    moment("revoked_at", nullable=True),
    ForeignKeyConstraint(["team_id", "organization_id"], [teams.c.id, teams.c.organization_id]),
    CheckConstraint(ROLES, name="role"),
    Index("ix_invitations_organization_id", "organization_id", "created_at", "id"),
)

linked_identities = Table(
    "linked_identities",
    metadata,
    Column("provider", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("user_id", ForeignKey(users.c.id), nullable=False),
    Column("email", Text, nullable=False),
    moment("created_at"),
    PrimaryKeyConstraint("provider", "subject"),
    Index("ix_linked_identities_user_id", "user_id"),
)
