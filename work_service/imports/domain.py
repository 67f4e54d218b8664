"""What an import is made of, and what becomes of it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from chassis.errors import Aborted, FieldViolation, InvalidArgument
from chassis.ids import parse_id
from work_service.tasks.domain import (
    Circular,
    NamedLinks,
    NewTask,
    ReferenceNotFound,
    TaskEdit,
    TaskId,
    TaskNotFound,
    TaskRef,
)

MOST_VIOLATIONS = 1_000
"""That are told of an import. As many of them as fit into a status are told of one that is refused."""

LONGEST_KEY = 128
"""As long as an external id can be: an id that the project does not know becomes one."""


class ImportTooLarge(InvalidArgument):
    """This is more than one import may hold."""

    reason = "IMPORT_TOO_LARGE"


class ImportLocked(Aborted):
    """Somebody else is importing tasks into this project."""

    reason = "IMPORT_LOCKED"


@dataclass(frozen=True, slots=True)
class Bounds:
    """The most that an import may hold."""

    tasks: int
    bytes: int
    """Of requests, as they came."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One task of an import, as it was sent."""

    place: int
    key: str
    """What it is known by. Empty for one that is always new."""
    key_field: str
    sent_id: str
    """What it is called where it comes from: others may name it so as their parent."""
    left_out: bool = False
    """Whether it is deleted where it comes from."""
    new: NewTask | None = None
    """What it is when it is new. Nothing is known of one that breaks a rule of the contract."""
    edit: TaskEdit = field(default_factory=TaskEdit)
    """What changes about it when it is there already."""
    tags: NamedLinks = field(default_factory=NamedLinks)
    parent: str | None = None
    """A name; empty for no parent, and None where nothing is said of it."""

    @property
    def path(self) -> str:
        """Where in the import it is."""
        return f"tasks[{self.place}]"

    def violation(self, name: str, description: str, reason: str = "") -> FieldViolation:
        """Something that is wrong with one of its fields."""
        return FieldViolation(f"{self.path}.{name}", description, reason)

    def overlong(self) -> Sequence[FieldViolation]:
        """What is wrong with an id that would become an external id, and is too long for one."""
        if self.key_field != "id" or len(self.key) <= LONGEST_KEY:
            return []
        return [self.violation("id", f"must be at most {LONGEST_KEY} characters", "string.max_len")]

    def untitled(self, *, new: bool) -> Sequence[FieldViolation]:
        """What is wrong when it would leave a task without a title."""
        title = self.new.title if new and self.new is not None else self.edit.get("title")
        return [] if title or (title is None and not new) else [self.violation("title", "is needed", "string.min_len")]


class Violations:
    """What is wrong with an import: all of it is counted, and as much as anybody reads is kept."""

    def __init__(self) -> None:
        """Nothing, so far."""
        self.count = 0
        self._kept: list[FieldViolation] = []

    def add(self, *violations: FieldViolation) -> None:
        """Something more."""
        self.count += len(violations)
        self._kept += violations[: MOST_VIOLATIONS - len(self._kept)]

    @property
    def kept(self) -> Sequence[FieldViolation]:
        """In the order of lines, whenever it was found."""
        return sorted(self._kept, key=lambda each: int(each.field.partition("[")[2].partition("]")[0]))

    def check(self) -> None:
        """Go on only if nothing is wrong.

        Raises:
            InvalidArgument: Something is.
        """
        if self.count:
            raise InvalidArgument(*self.kept)


@dataclass(frozen=True, slots=True)
class File:
    """Everything that was sent, and what is wrong with it already."""

    lines: Sequence[Line]
    violations: Violations
    validate_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What has come of an import, or would come of it."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    skipped: int = 0
    violations: Sequence[FieldViolation] = ()
    violation_count: int = 0


@dataclass(frozen=True, slots=True)
class Known:
    """As much of a task that is there already as it takes to find it."""

    id: TaskId
    number: int
    external_id: str | None
    parent_id: TaskId | None


class Register:
    """Tasks of a project, by what they may be called."""

    def __init__(self, known: Iterable[Known] = ()) -> None:
        """Those that are there already."""
        self._by_external_id: dict[str, Known] = {}
        self._by_ref: dict[TaskRef, Known] = {}
        for task in known:
            if task.external_id is not None:
                self._by_external_id[task.external_id] = task
            self._by_ref |= {TaskRef(task.id, None): task, TaskRef(None, task.number): task}

    def with_key(self, key: str) -> Known | None:
        """The task with this external id, or else the one with this id."""
        found = parse_id(key)
        by_id = None if found is None else self._by_ref.get(TaskRef(TaskId(found), None))
        return self._by_external_id.get(key) or by_id

    def called(self, name: str) -> Known | None:
        """The same, or the task with this number."""
        try:
            return self._by_external_id.get(name) or self._by_ref.get(TaskRef.read(name))
        except TaskNotFound:
            return None


class Plan:
    """What becomes of each line: a task that is there, or a new one.

    Whatever is wrong with how lines name tasks and each other is added to what is wrong with the file.
    """

    def __init__(self, file: File, register: Register, new_ids: Iterator[TaskId]) -> None:
        """Find for each line the task that it means, and for each parent, too."""
        self.known: dict[TaskId, Line] = {}
        self.new: dict[TaskId, Line] = {}
        self._violations = file.violations
        self._ids: dict[int, TaskId] = {}
        self._above: dict[TaskId, TaskId | None] = {}
        """The parents of tasks, as they will be."""
        self._were: dict[TaskId, TaskId | None] = {}
        names: dict[str, Line] = {}
        for line in file.lines:
            if not line.left_out:
                self._match(line, names, register, new_ids)
        for line in file.lines:
            for name in filter(None, (line.key, line.sent_id)):
                names.setdefault(name, line)
        for task_id, line in {**self.known, **self.new}.items():
            self._place(task_id, line, names, register)

    def _match(self, line: Line, names: dict[str, Line], register: Register, new_ids: Iterator[TaskId]) -> None:
        if line.key:
            first = names.setdefault(line.key, line)
            if first is not line:
                self._violations.add(line.violation(line.key_field, f"is the key of {first.path}, too", "NAMED_TWICE"))
                return
        if line.new is None:
            return
        known = register.with_key(line.key) if line.key else None
        if known is None:
            self._ids[line.place] = task_id = next(new_ids)
            self.new[task_id] = line
        elif (first := self.known.setdefault(known.id, line)) is not line:
            self._violations.add(line.violation(line.key_field, f"means the same task as {first.path}", "NAMED_TWICE"))
        else:
            self._ids[line.place] = known.id
            self._were[known.id] = self._above[known.id] = known.parent_id

    def _place(self, task_id: TaskId, line: Line, names: Mapping[str, Line], register: Register) -> None:
        """Find the parent of a line."""
        if line.parent is None:
            return
        whole = names.get(line.parent) if line.parent else None
        if whole is not None:
            if not whole.left_out and whole.place in self._ids:
                self._above[task_id] = self._ids[whole.place]
            return
        found = register.called(line.parent) if line.parent else None
        if found is None and line.parent:
            unknown = "is neither in the import nor a task of the project"
            self._violations.add(line.violation("parent", unknown, ReferenceNotFound.reason))
            return
        self._above[task_id] = None if found is None else found.id

    def parent_of(self, task_id: TaskId) -> TaskId | None:
        """The parent that a task will have."""
        return self._above.get(task_id)

    @property
    def moving(self) -> Sequence[TaskId]:
        """Tasks of the project that become parts of others which are there already: circles may come of it."""
        changed = [task_id for task_id, was in self._were.items() if self._above[task_id] not in {None, was}]
        others = {whole for whole in self._above.values() if whole is not None and whole not in self._above}
        return sorted(others) if changed else []

    def check_circles(self, wholes: Mapping[TaskId, TaskId | None]) -> None:
        """Find out which lines make tasks parts of themselves; `wholes` are the parents of those that stay."""
        above = {**wholes, **self._above}
        for task_id in sorted(_in_circles(above)):
            line = self.known.get(task_id) or self.new.get(task_id)
            if line is not None and self._above[task_id] != self._were.get(task_id):
                self._violations.add(line.violation("parent", "leads back to the task itself", Circular.reason))

    def new_ones(self) -> Sequence[TaskId]:
        """The new tasks, each behind its parent."""
        placed: dict[TaskId, None] = {}
        for task_id in self.new:
            way = []
            current: TaskId | None = task_id
            while current in self.new and current not in placed:
                way.append(current)
                current = self._above.get(current)
            placed |= dict.fromkeys(reversed(way))
        return list(placed)


def _in_circles(above: Mapping[TaskId, TaskId | None]) -> set[TaskId]:
    """Those that one comes back to when one goes up from them. Each is looked at once."""
    circular: set[TaskId] = set()
    done: set[TaskId] = set()
    for start in above:
        way: dict[TaskId, None] = {}
        current: TaskId | None = start
        while current is not None and current not in done and current not in way:
            way[current] = None
            current = above.get(current)
        if current in way:
            on_the_way = list(way)
            circular.update(on_the_way[on_the_way.index(current) :])
        done.update(way)
    return circular


def placed(violation: FieldViolation, place: int) -> FieldViolation:
    """What is said of the task of a request, said of that place in an import."""
    return replace(violation, field=f"tasks[{place}]{violation.field.removeprefix('task')}")
