"""Parses YAML into a tree with file, line and column of every value."""

from __future__ import annotations

from collections.abc import Callable

import yaml

from deploy_action.core.settings.tree import Mapping, Node, Scalar, Sequence
from deploy_action.errors import Fault, InputError, SourceLocation

_LONGEST = 1 << 20
_DEEPEST = 40
_NULL = "tag:yaml.org,2002:null"

Locate = Callable[[yaml.Mark], SourceLocation]


def read_yaml(text: str, locate: Locate, what: str) -> Node | None:
    """Return the tree of a document, or None for an empty one.

    Args:
        text: the YAML text, at most 1 MiB.
        locate: turns a place in the text into one of the user's file.
        what: how messages call the text, such as ``Settings file 'x.yml'``.

    Raises:
        InputError: not YAML, several documents, or duplicate keys (all of them at once).
    """
    if len(text) > _LONGEST:
        raise InputError(f"{what} is larger than 1 MiB.")
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        faults: list[Fault] = []
        tree = None if root is None else _converted(root, locate, faults, 0)
    except yaml.YAMLError as error:
        raise _syntax_error(error, text, locate, what) from None
    except RecursionError:
        raise InputError(f"{what} is nested too deeply.") from None
    if faults:
        raise InputError.of(faults)
    return tree


def _converted(node: yaml.Node, locate: Locate, faults: list[Fault], depth: int) -> Node:
    if depth > _DEEPEST:
        raise RecursionError
    location = locate(node.start_mark)
    if isinstance(node, yaml.ScalarNode):
        return Scalar(text=str(node.value), location=location, null=node.tag == _NULL)
    if isinstance(node, yaml.SequenceNode):
        items = tuple(_converted(item, locate, faults, depth + 1) for item in node.value)
        return Sequence(items=items, location=location)
    pairs: dict[str, tuple[Scalar, Node]] = {}
    for key_node, value_node in node.value:
        key = Scalar(text=str(key_node.value), location=locate(key_node.start_mark))
        if key.text in pairs:
            first = pairs[key.text][0].location.line
            message = f"'{key.text}' is set twice, first on line {first}. Remove one of them."
            faults.append(Fault(message=message, location=key.location))
        pairs[key.text] = (key, _converted(value_node, locate, faults, depth + 1))
    return Mapping(pairs=tuple(pairs.values()), location=location)


def _syntax_error(error: yaml.YAMLError, text: str, locate: Locate, what: str) -> InputError:
    mark = getattr(error, "problem_mark", None)
    place = locate(mark) if mark else None
    line = text.splitlines()[mark.line] if mark and mark.line < len(text.splitlines()) else ""
    problem = getattr(error, "problem", None) or str(error)
    if "\t" in line[: len(line) - len(line.lstrip())]:
        problem, hint = "this line is indented with a tab", "Indent with spaces."
    elif "alias" in str(error):
        problem = "a value that starts with * must be quoted"
        hint = "Write it in quotes, such as '*:config'."
    elif "anchor" in str(error) or "tag" in problem:
        problem = f"a value that starts with & or ! must be quoted ({problem})"
        hint = "Write it in quotes."
    elif "expected a single document" in str(error):
        problem, hint = "it contains more than one document", "Remove the line '---' between them."
    else:
        hint = "Check the indentation, and quote values that contain a colon followed by a space."
    return InputError(f"{what} is not valid YAML: {problem}.", hint=hint, place=place)
