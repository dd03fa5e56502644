"""Options of a command that a room declares: each field of a model is an option, said nowhere else."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from types import UnionType
from typing import Annotated, Any, Union, cast, get_args, get_origin, get_type_hints

from cyclopts import Parameter
from pydantic import BaseModel, ValidationError

from unibase.groundwork.problems import UserError
from unibase.groundwork.sections import meanings


def takes_options[F: Callable[..., object]](model: type[BaseModel], **defaults: object) -> Callable[[F], F]:
    """Return a decorator that gives a command an option for each field of a model that it has none for itself.

    The command takes them as `**chosen` and makes the model with `options_of`. A field of several values, such as
    `shells`, is an option that may be given several times, `--shell`.

    Args:
        model: A section of the study file.
        defaults: What holds for the command where it differs from the study file.
    """

    def decorate(command: F) -> F:
        signature = inspect.signature(command)
        hints = get_type_hints(command, include_extras=True)
        own = [
            one.replace(annotation=hints[one.name]) for one in signature.parameters.values() if one.kind is not one.VAR_KEYWORD
        ]
        texts = meanings(model)
        further = []
        for name, field in model.model_fields.items():
            if name in {one.name for one in own}:
                continue
            several = _several(field.annotation)
            kind = list[str] | None if several else field.annotation
            told = Parameter(name=f"--{option_word(name, several)}", help=texts[name], negative=() if several else None)
            default = None if several else defaults.get(name, field.default)
            further.append(
                inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[kind, told])
            )

        @functools.wraps(command)
        def with_defaults(*arguments: object, **given: object) -> object:
            # What was not given is not passed on: without this the study file's default would hold.
            return command(*arguments, **defaults | given)

        with_defaults.__signature__ = signature.replace(parameters=[*own, *further])  # type: ignore[attr-defined]  # read by inspect
        with_defaults.__annotations__ = {one.name: one.annotation for one in [*own, *further]} | {"return": None}
        return cast(F, with_defaults)

    return decorate


def options_of[M: BaseModel](model: type[M], chosen: Mapping[str, object]) -> M:
    """Return a model of what a command was given.

    Args:
        model: The model.
        chosen: Fields and their values; None where an option was not given.

    Raises:
        UserError: If the model refuses a value; the text names the option.
    """
    try:
        return model.model_validate({name: value for name, value in chosen.items() if value is not None})
    except ValidationError as error:
        raise UserError("\n".join(_fault(model, detail) for detail in error.errors())) from None


def option_word(name: str, several: bool) -> str:
    """Return how a field is called on the command line; one that may be given several times in the singular.

    Args:
        name: Name of the field.
        several: Whether it may be given several times.

    Example:
        >>> option_word("structure_sets", False), option_word("shells", True)
        ('structure-sets', 'shell')
    """
    return (name.removesuffix("s") if several else name).replace("_", "-")


def _several(annotation: object) -> bool:
    """Whether a field holds several values, as one of its kinds or all of it."""
    if get_origin(annotation) in (Union, UnionType):
        return any(_several(one) for one in get_args(annotation))
    return get_origin(annotation) in (list, tuple)


def _fault(model: type[BaseModel], detail: Mapping[str, Any]) -> str:
    said = str(detail["msg"]).removeprefix("Value error, ").rstrip(".")
    if not detail["loc"]:
        return f"{said}."
    name = str(detail["loc"][0])
    return f"--{option_word(name, _several(model.model_fields[name].annotation))}: {said}."
