"""The part of auth's settings that is about people's accounts and the mail they get."""

from pathlib import Path

from pydantic import Field, SecretStr, model_validator

from headrace_auth.adapters.mail.message import sender_address
from headrace_auth.adapters.mail.smtp import Encryption, SmtpServer
from headrace_auth.domain.links import Links
from headrace_auth.domain.registration import RegistrationMode
from headrace_common.settings import GrpcServiceSettings


class AccountSettings(GrpcServiceSettings):
    """Base of AuthSettings."""

    issuer: str = Field(
        default="https://headrace.invalid", pattern=r"^https://[^/?#\s]+(/[^/?#\s]+)*$"
    )
    """`iss` of access tokens: the public URL of this installation (RFC 8414, section 2)."""

    registration: RegistrationMode = RegistrationMode.INVITATION
    minimum_password_length: int = Field(default=12, ge=12)
    breached_passwords_file: Path | None = None
    """Sorted SHA-1 digests of passwords that are refused beside the common ones that ship."""

    public_url: str | None = None
    """Where the front end is; `issuer` unless given, whose pages say which call takes a token."""
    verify_email_url: str | None = None
    """Of the front end's page, with `{token}` in the fragment; so the next two."""
    reset_password_url: str | None = None
    invitation_url: str | None = None
    log_in_url: str | None = None
    invitation_seconds: int = Field(default=7 * 86_400, ge=60)
    """How long an invitation can be taken."""
    invitations_per_day: int = Field(default=200, ge=1)
    """How many one organisation sends within 24 hours, those taken back included."""

    mail_sender: str = "Headrace <no-reply@headrace.invalid>"
    mail_folder: Path | None = None
    """Mails become files in it; instead of `smtp_host`."""
    smtp_host: str | None = None
    smtp_port: int = Field(default=587, ge=1, le=65_535)
    smtp_encryption: Encryption = Encryption.STARTTLS
    smtp_username: str | None = None
    smtp_password: SecretStr | None = None
    smtp_ca_file: Path | None = None
    """Authorities to trust instead of the system's."""
    mail_timeout_seconds: float = Field(default=10.0, gt=0)
    """For one attempt to hand over one mail."""

    @model_validator(mode="after")
    def _check_mail(self) -> "AccountSettings":
        sender_address(self.mail_sender)
        self.smtp_server()
        self.links()
        if self.mail_folder is not None and self.smtp_host is not None:
            raise ValueError("mail_folder and smtp_host exclude each other")
        sends_mail = self.mail_folder is not None or self.smtp_host is not None
        if self.registration is RegistrationMode.OPEN and not sends_mail:
            raise ValueError("open registration needs mail: set smtp_host or mail_folder")
        return self

    def smtp_server(self) -> SmtpServer | None:
        """Raises ValueError for a password without a user name or without encryption."""
        if self.smtp_host is None:
            return None
        password = self.smtp_password
        return SmtpServer(
            host=self.smtp_host,
            port=self.smtp_port,
            encryption=self.smtp_encryption,
            username=self.smtp_username,
            password=password.get_secret_value() if password else None,
            ca_file=self.smtp_ca_file,
        )

    def links(self) -> Links:
        """Raises ValueError."""
        base = (self.public_url or self.issuer).rstrip("/")
        return Links(
            verify_email_url=self.verify_email_url or f"{base}/verify-email#token={{token}}",
            reset_password_url=self.reset_password_url or f"{base}/reset-password#token={{token}}",
            invitation_url=self.invitation_url or f"{base}/invitation#token={{token}}",
            log_in_url=self.log_in_url or f"{base}/login",
        )
