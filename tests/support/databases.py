"""Real databases: one cluster per run, one migrated template per service, a clone for whoever wants one."""

import itertools
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from pydantic import SecretStr

from migrations import upgrade
from standalone.postgres import Cluster

Section = Literal["identity", "work"]


@dataclass
class Databases:
    """Hands out databases of a cluster."""

    cluster: Cluster
    _passwords: dict[str, str] = field(default_factory=dict)
    _numbers: "itertools.count[int]" = field(default_factory=itertools.count)

    def clone(self, section: Section) -> str:
        """The URL of a new database with the service's schema and nothing in it."""
        if section not in self._passwords:
            self._passwords[section] = secrets.token_urlsafe()
            self.cluster.create_role_and_database(section, self._passwords[section])
            upgrade(section, SecretStr(self.cluster.url(section, section, self._passwords[section])))
        name = f"{section}_{next(self._numbers)}"
        self.cluster.create_database(name, owner=section, template=section)
        return self.cluster.url(name, section, self._passwords[section])

    @property
    def passwords(self) -> Mapping[str, str]:
        """Of the users that own the clones."""
        return self._passwords

    def empty(self) -> str:
        """The URL of a new database with nothing in it at all."""
        name = f"empty_{next(self._numbers)}"
        password = secrets.token_urlsafe()
        self.cluster.create_role_and_database(name, password)
        return self.cluster.url(name, name, password)
