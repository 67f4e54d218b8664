"""Settings: one frozen value per process, read once from the environment, complete or refused.

A setting `NAME` may also come as `NAME_FILE`, the path of a file that holds it: how orchestrators hand over secrets.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, TypeAlias, TypeVar

from pydantic import BeforeValidator, SecretBytes, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from chassis import base64url


class ConfigError(Exception):
    """These settings cannot be used; the message names every one of them."""


def _decoded(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    key = base64url.decoded(value)
    if key is None or len(key) < 32:
        raise ValueError("must be at least 32 random bytes in base64url")
    return key


def listed(value: Any) -> Any:
    """A setting that is a list may be written with commas. For a BeforeValidator."""
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


SecretKey: TypeAlias = Annotated[SecretBytes, BeforeValidator(_decoded)]
"""At least 32 random bytes, written in base64url."""


class Settings(BaseSettings):
    """What a process is told from outside. Subclasses set `env_prefix`; secrets are `SecretStr`."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - `.env` is read by whoever starts processes
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - NAME_FILE says it more plainly
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments win over the environment, and the environment over files."""
        return init_settings, env_settings, _NamedFiles(settings_cls)


class _NamedFiles(PydanticBaseSettingsSource):
    """Reads `NAME` from the file that `NAME_FILE` names."""

    def get_field_value(
        self,
        field: FieldInfo,  # noqa: ARG002 - the base class hands it over
        field_name: str,
    ) -> tuple[Any, str, bool]:
        """The content of the field's file without its last newline, or None."""
        path = os.environ.get(f"{env_name(self.settings_cls, field_name)}_FILE")  # noqa: TID251 - its one home
        if not path:
            return None, field_name, False
        try:
            value = Path(path).read_text(encoding="utf-8").rstrip("\n")
            problem = "" if value else "it is empty"  # a secret of nothing would be taken for one
        except OSError as error:
            problem = error.strerror or "it cannot be read"
        except UnicodeDecodeError:
            problem = "it is not UTF-8"
        if problem:
            raise ConfigError(f"{env_name(self.settings_cls, field_name)}_FILE: cannot read {path}: {problem}")
        return value, field_name, False

    def __call__(self) -> dict[str, Any]:
        """Every field that has a file."""
        fields = self.settings_cls.model_fields.items()
        values = {_alias(field) or name: self.get_field_value(field, name)[0] for name, field in fields}
        return {name: value for name, value in values.items() if value is not None}


S = TypeVar("S", bound=Settings)


def read(settings: type[S], **overrides: Any) -> S:
    """The settings of this process.

    Raises:
        ConfigError: Something is missing or wrong; one line that names every culprit, and no value.
    """
    try:
        return settings(**overrides)
    except ValidationError as error:
        raise ConfigError("; ".join(_complaints(settings, error))) from None


def env_name(settings: type[BaseSettings], field: str) -> str:
    """The name that the setting has in the environment."""
    known = settings.model_fields.get(field)
    if known is None:
        return field  # pydantic calls a setting with a name of its own by that name
    return _alias(known) or f"{settings.model_config.get('env_prefix', '')}{field}".upper()


def _alias(field: FieldInfo) -> str | None:
    """A name that is not made of the prefix and the field's."""
    return field.validation_alias if isinstance(field.validation_alias, str) else None


def _complaints(settings: type[Settings], error: ValidationError) -> Iterator[str]:
    problems = error.errors(include_url=False, include_context=False, include_input=False)
    missing = [env_name(settings, str(problem["loc"][0])) for problem in problems if problem["type"] == "missing"]
    if missing:
        yield f"missing {', '.join(missing)}"
    for problem in problems:
        if problem["type"] != "missing":
            name = env_name(settings, str(problem["loc"][0])) if problem["loc"] else settings.__name__
            yield f"{name}: {problem['msg'].removeprefix('Value error, ')}"
