"""What tasks are linked with: from how a caller names it to what it is in their project."""

from collections.abc import Iterator, Mapping, Sequence

from chassis.database import Transaction
from chassis.errors import FieldViolation
from work_service.projects.domain import ProjectId
from work_service.tags import store as tags
from work_service.tags.domain import Kind, TagId, TagRef
from work_service.tasks.domain import Links, NamedLinks, ReferenceNotFound, Task, TaskId, TaskRef
from work_service.tasks.store import linking, reading

KnownTags = Mapping[tuple[Kind, TagRef], TagId]


async def resolved(tx: Transaction, project_id: ProjectId, named: Sequence[tuple[str, NamedLinks]]) -> Sequence[Links]:
    """What was meant by what a caller named, in requests' fields. It stays so until the transaction ends.

    Three round trips for any number of them, none when nothing is named. Whoever saves parents after this looks for
    circles then.

    Raises:
        ReferenceNotFound: The project has no such thing; every one that it does not have is told.
    """
    known = await known_tags(tx, project_id, [links for _, links in named])
    parents = [parent for _, links in named if (parent := links.get("parent")) is not None]
    wholes: Mapping[TaskRef, TaskId] = {}
    if parents:
        await linking.lock_links(tx, project_id)
        wholes = await reading.find_ids(tx, project_id, parents)
    missing = [violation for path, links in named for violation in _missing(path, links, known, wholes)]
    if missing:
        raise ReferenceNotFound(*missing)
    return [_meant(links, known, wholes) for _, links in named]


def other_links(task: Task, named: NamedLinks) -> NamedLinks:
    """Those that would be others than the task has: its parent may be deleted, and is its parent still."""
    parent = named.get("parent")
    if parent is None or parent.id is None or parent.id != task.parent_id:
        return named
    others = named.copy()
    del others["parent"]
    return others


async def known_tags(tx: Transaction, project_id: ProjectId, named: Sequence[NamedLinks]) -> KnownTags:
    """Those of the categories and labels that the project has. They stay until the transaction ends."""
    wanted = {tag for each in named for tag in _in(each)}
    return await tags.held(tx, project_id, wanted) if wanted else {}


def unknown_tags(path: str, named: NamedLinks, known: KnownTags) -> Iterator[FieldViolation]:
    """What the project does not have of what is named in that part of a request."""
    category = named.get("category")
    if category is not None and (Kind.CATEGORY, category) not in known:
        yield FieldViolation(f"{path}.category", "is no category of the project", ReferenceNotFound.reason)
    for place, label in enumerate(named.get("labels", ())):
        if (Kind.LABEL, label) not in known:
            yield FieldViolation(f"{path}.labels[{place}]", "is no label of the project", ReferenceNotFound.reason)


def meant_tags(named: NamedLinks, known: KnownTags) -> Links:
    """The categories and labels that were meant, all of which are known."""
    meant = Links()
    if "category" in named:
        category = named["category"]
        meant["category_id"] = None if category is None else known[Kind.CATEGORY, category]
    if "labels" in named:
        meant["labels"] = tuple(dict.fromkeys(known[Kind.LABEL, label] for label in named["labels"]))
    return meant


def _in(named: NamedLinks) -> Iterator[tuple[Kind, TagRef]]:
    category = named.get("category")
    if category is not None:
        yield Kind.CATEGORY, category
    for label in named.get("labels", ()):
        yield Kind.LABEL, label


def _missing(
    path: str, links: NamedLinks, known: KnownTags, wholes: Mapping[TaskRef, TaskId]
) -> Iterator[FieldViolation]:
    yield from unknown_tags(path, links, known)
    parent = links.get("parent")
    if parent is not None and parent not in wholes:
        yield FieldViolation(f"{path}.parent", "is no task of the project", ReferenceNotFound.reason)


def _meant(links: NamedLinks, known: KnownTags, wholes: Mapping[TaskRef, TaskId]) -> Links:
    meant = meant_tags(links, known)
    if "parent" in links:
        parent = links["parent"]
        meant["parent_id"] = None if parent is None else wholes[parent]
    return meant
