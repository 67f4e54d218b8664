"""Messages of the contract, to and from values of the domain."""

from collections.abc import Sequence
from typing import TypeVar

from tandem.work.v1 import category_pb2, label_pb2

from chassis.masks import named_fields
from work_service.tags.domain import GREY, NewTag, Tag, TagEdit

_CHANGEABLE = ("name", "color")


def new_tag(wanted: category_pb2.Category | label_pb2.Label) -> NewTag:
    """The one that somebody wants."""
    return NewTag(name=wanted.name, color=wanted.color)


def tag_edit(wanted: category_pb2.Category | label_pb2.Label, paths: Sequence[str]) -> TagEdit:
    """What shall change. A colour that is cleared is grey."""
    named = named_fields(wanted, paths, _CHANGEABLE)
    edit: TagEdit = {}
    if "name" in named:
        edit["name"] = wanted.name
    if "color" in named:
        edit["color"] = wanted.color or GREY
    return edit


def category(tag: Tag) -> category_pb2.Category:
    """A category."""
    return _filled(category_pb2.Category(), tag)


def label(tag: Tag) -> label_pb2.Label:
    """A label."""
    return _filled(label_pb2.Label(), tag)


_M = TypeVar("_M", category_pb2.Category, label_pb2.Label)


def _filled(message: _M, tag: Tag) -> _M:
    message.id, message.project = str(tag.id), str(tag.project_id)
    message.name, message.slug, message.color, message.etag = tag.name, tag.slug, tag.color, tag.etag
    message.create_time.FromDatetime(tag.create_time)
    message.update_time.FromDatetime(tag.update_time)
    if tag.delete_time is not None:
        message.delete_time.FromDatetime(tag.delete_time)
    return message
