"""The page of all settings: name, default, what is taken, and the sentence below the field in the source."""

from __future__ import annotations

import ast
import enum
import inspect
import textwrap
import types
import typing
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined
from pydantic_settings import BaseSettings

from deploy.settings.known import SECTIONS, Section

_HEAD = """# Settings

Every setting of the services, from the classes that read them: `make settings` writes this page, `make check` holds it
to them. The ones that most people want, and those of `make up` and of the containers, are in
[.env.example](../.env.example). A setting that is left blank was not made. A wrong one ends its process at once, which
names it.
"""
_LIMITS = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}
_KINDS = {str: "text", SecretStr: "secret", int: "whole number", float: "number", bool: "`true`, `false`", Path: "path"}


class Row(NamedTuple):
    name: str
    default: str
    takes: str
    about: str


def page() -> str:
    return "\n".join([_HEAD, *(_section(one) for one in SECTIONS)])


def rows(settings: type[BaseSettings]) -> Iterator[Row]:
    """In the order of the source."""
    prefix, told = str(settings.model_config.get("env_prefix", "")), _sentences(settings)
    for name, field in settings.model_fields.items():
        alias = field.validation_alias
        variable = alias if isinstance(alias, str) else f"{prefix}{name}".upper()
        yield Row(variable, _default(field), _takes(field), told.get(name, ""))


def _section(one: Section) -> str:
    intro = " ".join((inspect.getdoc(one.settings) or "").split())
    source = one.settings.__module__.replace(".", "/")
    lines = [f"## {one.title}", "", f"Read by {one.who}: `{source}.py`. {intro}", ""]
    lines += ["| setting | default | takes | |", "|---|---|---|---|"]
    lines += [f"| `{row.name}` | {row.default} | {row.takes} | {row.about} |" for row in rows(one.settings)]
    return "\n".join([*lines, ""])


def _sentences(settings: type[BaseSettings]) -> Mapping[str, str]:
    """The string that stands below each field, as one line."""
    (body,) = ast.parse(textwrap.dedent(inspect.getsource(settings))).body
    assert isinstance(body, ast.ClassDef)
    pairs = zip(body.body, body.body[1:], strict=False)
    return {
        field.target.id: " ".join(below.value.value.split()).replace("|", "\\|")
        for field, below in pairs
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
        if isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant) and isinstance(below.value.value, str)
    }


def _default(field: FieldInfo) -> str:
    value = field.get_default(call_default_factory=True)
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    if isinstance(value, enum.Enum):
        value = value.value
    if value is None or value is PydanticUndefined or value == "" or value == {} or value == ():
        return ""
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


def _takes(field: FieldInfo) -> str:
    bounds = [
        f"{sign} {getattr(one, name):g}"
        for one in field.metadata
        for name, sign in _LIMITS.items()
        if getattr(one, name, None) is not None
    ]
    return ", ".join([_kind(field.annotation), *bounds])


def _kind(annotation: Any) -> str:
    if annotation in _KINDS:
        return _KINDS[annotation]
    if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        return ", ".join(f"`{one.value}`" for one in annotation)
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Literal:
        return ", ".join(f"`{one}`" for one in arguments)
    if origin is dict:
        return "JSON"
    if origin is typing.Annotated:
        return _kind(arguments[0])
    if origin in (typing.Union, types.UnionType):
        return " or ".join(_kind(one) for one in arguments if one is not type(None))
    raise TypeError(f"say in words what {annotation!r} takes")
