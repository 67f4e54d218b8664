"""Messages of the contract, to and from values of the domain."""

import json
from datetime import datetime

from tandem.identity.v1 import service_account_pb2

from chassis.errors import FieldViolation, InvalidArgument
from chassis.ids import parse_id
from chassis.instants import instant
from chassis.masks import named_fields
from identity_service.service_accounts.domain import (
    AccountKey,
    NewServiceAccount,
    ServiceAccount,
    ServiceAccountEdit,
    ServiceAccountId,
)

_CHANGEABLE = ("description", "scopes", "audiences")


def ref(text: str) -> ServiceAccountId | str:
    """How an account is named: what looks like an id is one."""
    found = parse_id(text)
    return text if found is None else ServiceAccountId(found)


def new_account(request: service_account_pb2.CreateServiceAccountRequest) -> NewServiceAccount:
    """The account that somebody wants."""
    wanted = request.service_account
    return NewServiceAccount(
        name=wanted.name,
        description=wanted.description,
        scopes=frozenset(wanted.scopes),
        audiences=frozenset(wanted.audiences),
    )


def edit(request: service_account_pb2.UpdateServiceAccountRequest) -> ServiceAccountEdit:
    """What shall change.

    Raises:
        InvalidArgument: The account could do nothing any more, or nowhere: disable it instead.
    """
    wanted = request.service_account
    named = named_fields(wanted, request.update_mask.paths, _CHANGEABLE)
    changes: ServiceAccountEdit = {}
    if "description" in named:
        changes["description"] = wanted.description
    if "scopes" in named:
        changes["scopes"] = frozenset(wanted.scopes)
    if "audiences" in named:
        changes["audiences"] = frozenset(wanted.audiences)
    for name in ("scopes", "audiences"):
        if name in changes and not changes[name]:
            raise InvalidArgument(FieldViolation(f"service_account.{name}", "must name one at least"))
    return changes


def account(account: ServiceAccount) -> service_account_pb2.ServiceAccount:
    """A service account."""
    message = service_account_pb2.ServiceAccount(
        id=str(account.id),
        name=account.name,
        description=account.description,
        scopes=sorted(account.scopes),
        audiences=sorted(account.audiences),
        disabled=account.disabled,
        etag=account.etag,
    )
    message.create_time.FromDatetime(account.create_time)
    message.update_time.FromDatetime(account.update_time)
    return message


def expire_time(request: service_account_pb2.CreateServiceAccountKeyRequest) -> datetime | None:
    """When a new key stops working by itself."""
    return instant(request, "expire_time", path="expire_time")


def key(key: AccountKey) -> service_account_pb2.ServiceAccountKey:
    """A key, as far as it is shown."""
    message = service_account_pb2.ServiceAccountKey(
        id=str(key.id), public_jwk="" if key.public_jwk is None else json.dumps(dict(key.public_jwk))
    )
    message.create_time.FromDatetime(key.create_time)
    if key.expire_time is not None:
        message.expire_time.FromDatetime(key.expire_time)
    if key.last_use_time is not None:
        message.last_use_time.FromDatetime(key.last_use_time)
    return message
