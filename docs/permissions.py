# ruff: noqa: INP001 - docs/ is a folder of pages, and no package
"""Writes docs/permissions.md: `make docs`.

What a method needs is said in the contract, and what a role grants in `work_service/access.py`. This page repeats both,
so that nobody has to read them side by side; a test fails when it says anything else.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from google.api import annotations_pb2
from google.protobuf.descriptor_pb2 import FileDescriptorSet, MethodDescriptorProto
from tandem.policy.v1 import policy_pb2

from work_service.access import EVERYWHERE, GRANTS, Permission, Role

PAGE = Path(__file__).with_suffix(".md")
CONTRACT = Path(__file__).parents[1] / "protos" / "descriptors.binpb"

_HEAD = """# Permissions

Written by `make docs` out of the contract (`protos/`) and the role table (`work_service/access.py`); do not edit.

What one may not see does not exist: outside of a project everything in it answers NOT_FOUND, be it there or not.
Who may see something but not do it gets PERMISSION_DENIED with reason ROLE_TOO_LOW. What is archived refuses changes
whatever the role, with reason PROJECT_ARCHIVED.

A yes is about the role alone: only its author changes a comment, and only its author and maintainers remove one.
A machine needs the scope and, in a project, a role as well: it owns those that it makes, and cannot be added to others.
Outside of projects PERMISSION_DENIED has the reason GLOBAL_ROLE_TOO_LOW for people without the role, PEOPLE_ONLY or
MACHINES_ONLY for the wrong kind of caller, and INSUFFICIENT_SCOPE for machines.

"""

_PEOPLE = {
    policy_pb2.MethodPolicy.ANYONE: "anyone",
    policy_pb2.MethodPolicy.SIGNED_IN: "signed in",
    policy_pb2.MethodPolicy.TOKEN_OPTIONAL: "anyone",
    policy_pb2.MethodPolicy.SERVICE: "machines only",
}


@dataclass(frozen=True, slots=True)
class Method:
    """One RPC, as far as it is about who may call it."""

    service: str
    name: str
    route: str
    policy: policy_pb2.MethodPolicy

    @property
    def people(self) -> str:
        """Who may call it, in words."""
        return " or ".join(role.title() for role in self.policy.roles) or _PEOPLE[self.policy.access]


def methods() -> Iterator[Method]:
    """Every method of the contract, in the order of its files."""
    for file in FileDescriptorSet.FromString(CONTRACT.read_bytes()).file:
        for service in file.service:
            for method in service.method:
                policy = method.options.Extensions[policy_pb2.method]
                yield Method(f"{file.package}.{service.name}", method.name, _route(method), policy)


def _route(method: MethodDescriptorProto) -> str:
    options: Any = method.options
    rule = options.Extensions[annotations_pb2.http]
    verb = rule.WhichOneof("pattern")
    return f"`{verb.upper()} {getattr(rule, verb)}`" if verb else "gRPC only"


def page() -> str:
    """The whole page."""
    in_projects = [method for method in methods() if method.policy.permission]
    others = [method for method in methods() if not method.policy.permission]
    everywhere = [f"a global {name} is {role} in every project" for name, role in EVERYWHERE.items()]
    return _HEAD + "\n".join(
        [
            "## In a project",
            "",
            f"By the role in the project; {', '.join(everywhere)}. Only owners deal with owners.",
            "",
            _row("method", "REST", "permission", *Role, "scope of machines"),
            _row(*["---"] * (4 + len(Role))),
            *(_in_project(method) for method in in_projects),
            "",
            "## Elsewhere",
            "",
            "A scope is what a machine's token has to hold; methods without one are for people only, or for anyone.",
            "",
            _row("method", "REST", "who", "scope of machines"),
            _row(*["---"] * 4),
            *(_row(_named(method), method.route, method.people, _code(method.policy.scope)) for method in others),
            "",
        ]
    )


def _in_project(method: Method) -> str:
    permission = Permission(method.policy.permission)
    granted = ("yes" if permission in GRANTS[role] else "" for role in Role)
    return _row(_named(method), method.route, _code(permission), *granted, _code(method.policy.scope))


def _named(method: Method) -> str:
    return f"{method.service.rpartition('.')[2]}.{method.name}"


def _code(text: str) -> str:
    return f"`{text}`" if text else ""


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
