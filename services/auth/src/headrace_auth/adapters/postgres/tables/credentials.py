"""API keys, OAuth2 clients and codes, and the keys that sign tokens."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    Uuid,
    func,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from headrace_auth.adapters.postgres.tables.base import metadata, moment
from headrace_auth.adapters.postgres.tables.directory import organizations, users

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", Text(collation="C"), primary_key=True),
    Column("secret_sha256", LargeBinary),
    Column("organization_id", ForeignKey(organizations.c.id), nullable=False),
    Column("created_by", ForeignKey(users.c.id), nullable=False),
    Column("name", Text, nullable=False),
    Column("scopes", ARRAY(Text), nullable=False),
    Column("allowed_models", ARRAY(Text), nullable=False),
    moment("created_at"),
    moment("expires_at", nullable=True),
    moment("revoked_at", nullable=True),
    Column("allowed_networks", ARRAY(Text), nullable=False, server_default="{}"),
    Column("previous_secret_sha256", LargeBinary),
    moment("previous_secret_expires_at", nullable=True),
    Column("signature_algorithm", Text, nullable=False, server_default=""),
    Column("public_key", Text, nullable=False, server_default=""),
    Column("sealed_signing_secret", LargeBinary),
    Column("version", Integer, nullable=False, server_default="1"),
    CheckConstraint("octet_length(secret_sha256) = 32", name="secret_sha256"),
    CheckConstraint("secret_sha256 IS NOT NULL OR signature_algorithm <> ''", name="credential"),
    CheckConstraint("char_length(name) BETWEEN 1 AND 100", name="name"),
    Index("ix_api_keys_page", "organization_id", "created_at", "id"),
    Index("ix_api_keys_created_by", "created_by", "organization_id", "created_at", "id"),
)

api_key_uses = Table(
    "api_key_uses",
    metadata,
    # No foreign key: uses arrive late and in batches, and must not lock the key's row.
    Column("api_key_id", Text(collation="C"), primary_key=True),
    moment("last_used_at"),
    Column("use_count", BigInteger, nullable=False),
)

key_use_batches = Table(
    "key_use_batches",
    metadata,
    Column("id", Uuid(as_uuid=False), primary_key=True),
    moment("added_at"),
    Index("ix_key_use_batches_added_at", "added_at"),
)

oauth_clients = Table(
    "oauth_clients",
    metadata,
    Column("id", Text(collation="C"), primary_key=True),
    Column("organization_id", ForeignKey(organizations.c.id), nullable=False),
    Column("name", Text, nullable=False),
    Column("secret_sha256", LargeBinary),
    Column("redirect_uris", ARRAY(Text), nullable=False),
    Column("grant_types", ARRAY(Text), nullable=False),
    Column("scopes", ARRAY(Text), nullable=False),
    Column("service_user_id", ForeignKey(users.c.id)),
    Column("created_by", ForeignKey(users.c.id), nullable=False),
    moment("created_at"),
    moment("revoked_at", nullable=True),
    CheckConstraint("octet_length(secret_sha256) = 32", name="secret_sha256"),
    Index("ix_oauth_clients_organization_id", "organization_id", "created_at", "id"),
)

authorization_requests = Table(
    "authorization_requests",
    metadata,
    Column("request_sha256", LargeBinary, primary_key=True),
    Column("client_id", ForeignKey(oauth_clients.c.id), nullable=False),
    Column("redirect_uri", Text, nullable=False),
    Column("scopes", ARRAY(Text), nullable=False),
    Column("code_challenge", Text, nullable=False),
    moment("created_at"),
    moment("expires_at"),
    Column("state", Text),
    Index("ix_authorization_requests_expires_at", "expires_at"),
)

authorization_codes = Table(
    "authorization_codes",
    metadata,
    Column("code_sha256", LargeBinary, primary_key=True),
    Column("client_id", ForeignKey(oauth_clients.c.id), nullable=False),
    Column("user_id", ForeignKey(users.c.id), nullable=False),
    Column("organization_id", ForeignKey(organizations.c.id), nullable=False),
    Column("redirect_uri", Text, nullable=False),
    Column("scopes", ARRAY(Text), nullable=False),
    Column("code_challenge", Text, nullable=False),
    moment("created_at"),
    moment("expires_at"),
    Column("token_version", Integer, nullable=False),
    moment("used_at", nullable=True),
    Column("session_id", Text, nullable=False, server_default=""),
    Index("ix_authorization_codes_expires_at", "expires_at"),
)

signing_keys = Table(
    "signing_keys",
    metadata,
    Column("kid", Text, primary_key=True),
    Column("algorithm", Text, nullable=False),
    Column("encrypted_private_key", LargeBinary, nullable=False),
    Column("public_jwk", JSONB, nullable=False),
    moment("created_at"),
    # The default serves a release that does not know the column.
    Column("activates_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    moment("retires_at", nullable=True),
    CheckConstraint("algorithm IN ('ES256', 'RS256')", name="algorithm"),
)
