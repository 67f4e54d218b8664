"""Which databases there are to migrate."""

from collections.abc import Iterator

from pydantic import SecretStr

from chassis.config import Settings
from migrations import Section


class MigrationSettings(Settings):
    """The same two settings that the services read. Migrations want the server itself, not a pooler."""

    identity_database_url: SecretStr | None = None
    work_database_url: SecretStr | None = None

    def url_of(self, section: Section) -> SecretStr | None:
        """The section's database, if it is set."""
        return {"identity": self.identity_database_url, "work": self.work_database_url}[section]

    def databases(self) -> Iterator[tuple[Section, SecretStr]]:
        """The sections that have a database."""
        for section in ("identity", "work"):
            url = self.url_of(section)
            if url is not None:
                yield section, url
