"""What the contract says in its comments, where the descriptors were compiled with `--include_source_info`."""

from collections.abc import Mapping
from typing import Any

from protobuf import DescEnum, DescField, DescMessage, DescMethod, DescService

# The numbers of fields of FileDescriptorProto and what lies in it: the paths of source code info are made of them.
_MESSAGE, _ENUM, _SERVICE = 4, 5, 6
_FIELD, _NESTED, _NESTED_ENUM, _VALUE, _METHOD = 2, 3, 4, 2, 2

Described = DescMessage | DescField | DescEnum | DescService | DescMethod
Path = tuple[int, ...]


class Comments:
    """The comments before declarations, as plain text."""

    def __init__(self) -> None:
        """Files are read when they are first asked about."""
        self._files: dict[str, Mapping[Path, str]] = {}

    def of(self, desc: Described) -> str:
        """The comment before a declaration; empty where there is none."""
        return self._at(_file(desc), _path(desc))

    def of_value(self, enum: DescEnum, index: int) -> str:
        """The comment before a value of an enum."""
        return self._at(enum.file, (*_path(enum), _VALUE, index))

    def _at(self, file: Any, path: Path) -> str:
        if file.name not in self._files:
            info = file.proto.source_code_info
            self._files[file.name] = {
                tuple(location.path): _plain(location.leading_comments)
                for location in (info.location if info is not None else ())
                if location.leading_comments
            }
        return self._files[file.name].get(path, "")


def summary(comment: str) -> str:
    """The first sentence, without its full stop."""
    return comment.partition("\n")[0].partition(". ")[0].removesuffix(".")


def _plain(comment: str) -> str:
    """The text as one line a paragraph: where lines break in a source says nothing."""
    paragraphs = "\n".join(line.strip() for line in comment.strip().splitlines()).split("\n\n")
    return "\n\n".join(" ".join(paragraph.split("\n")) for paragraph in paragraphs)


def _file(desc: Described) -> Any:
    if isinstance(desc, DescField | DescMethod):
        return _file(desc.parent)
    return desc.file


def _path(desc: Described) -> Path:
    """Where a declaration stands in its file."""
    if isinstance(desc, DescField):
        return (*_path(desc.parent), _FIELD, _index(desc.parent.fields, desc))
    if isinstance(desc, DescMethod):
        return (*_path(desc.parent), _METHOD, _index(desc.parent.methods, desc))
    if isinstance(desc, DescService):
        return (_SERVICE, _index(desc.file.services, desc))
    outside = desc.parent
    if isinstance(desc, DescEnum):
        kind, siblings = (_ENUM, desc.file.enums) if outside is None else (_NESTED_ENUM, outside.nested_enums)
        return (*(() if outside is None else _path(outside)), kind, _index(siblings, desc))
    number, others = (_MESSAGE, desc.file.messages) if outside is None else (_NESTED, outside.nested_messages)
    return (*(() if outside is None else _path(outside)), number, _index(others, desc))


def _index(siblings: Any, desc: Any) -> int:
    return next(index for index, sibling in enumerate(siblings) if sibling is desc)
