"""Reads the YAML files that people write (settings, sources, suites) into pydantic models.

Belongs here: turning a file into a model, and an error into `file:line: what is wrong, what to do`.
Does not belong here: the meaning of these files.
"""

import codecs
import re
from datetime import time
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from pipelines.formatting import printable

Model = TypeVar("Model", bound=BaseModel)


_MOST_KEYS = 10_000  # of a mapping with those that it merges


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]  # libyaml's is ten times faster
    """A loader that says in which line a date is that does not exist."""

    def construct_yaml_timestamp(self, node: yaml.ScalarNode) -> Any:
        try:
            return super().construct_yaml_timestamp(node)
        except ValueError as error:
            problem = f"{node.value} is not a date: {error}"
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark) from None

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Merge what `<<` names; merges of merges can make a thousand million keys of ten lines."""
        super().flatten_mapping(node)
        if len(node.value) > _MOST_KEYS:
            problem = f"more than {_MOST_KEYS:,} keys are merged"
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark)


_Loader.add_constructor("tag:yaml.org,2002:timestamp", _Loader.construct_yaml_timestamp)


class ConfigError(Exception):
    """A file or argument that a person wrote is invalid; the message names file, line and the next step."""


def load_yaml_model(path: Path, model: type[Model]) -> Model:
    """Read the YAML file at `path` as a `model`.

    Raises:
        ConfigError: the file is missing, is not YAML, or does not match `model`. Every problem is on its own line, as
            `file:line: setting: problem`.
    """
    text = read_text(path)
    try:
        root, content = _parsed(text)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        has_tab = text.splitlines()[line - 1 : line] and text.splitlines()[line - 1].lstrip(" ").startswith("\t")
        problem = "a tab begins the line. Indent with spaces" if has_tab else error.problem
        raise ConfigError(f"{path}:{line}: not valid YAML: {problem}.") from None
    except yaml.reader.ReaderError as error:
        line = text[: error.position].count("\n") + 1
        problem = f"it contains the character {error.character:#x}. Remove it"
        raise ConfigError(f"{path}:{line}: not valid YAML: {problem}.") from None
    except (yaml.YAMLError, ValueError) as error:
        raise ConfigError(f"{path}: not valid YAML: {' '.join(str(error).split())}.") from None
    if content is None:
        content = {}
    if not isinstance(content, dict):
        raise ConfigError(f"{path}:1: expected settings as `key: value`, found a {type(content).__name__}.")
    try:
        return model.model_validate(content)
    except ValidationError as error:
        problems = [_describe(path, root, problem) for problem in error.errors()]
        raise ConfigError("\n".join(problems)) from None


def read_text(path: Path) -> str:
    """The text of a file that a person wrote.

    Raises:
        ConfigError: it is missing, cannot be read, or is not UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file.") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror or error}.") from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise ConfigError(f"{path}:{line}: is not UTF-8 text{_encoding(error.object)}. Save it as UTF-8.") from None


def _encoding(content: bytes) -> str:
    """What the first bytes say that the encoding is, as the end of a clause."""
    return " but UTF-16" if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else ""


def _parsed(text: str) -> tuple[yaml.Node | None, Any]:
    """The document's nodes, which know their lines, and its content; parsed only once, since commands wait for it."""
    loader = _Loader(text)
    try:
        root = loader.get_single_node()
        _check_keys(root)
        return root, None if root is None else loader.construct_document(root)
    finally:
        loader.dispose()


def _check_keys(root: yaml.Node | None) -> None:
    """Refuse a key that a mapping has twice, of which YAML itself would take the second."""
    nodes, seen = [root], set()
    while nodes:
        node = nodes.pop()
        if node is None or id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            nodes += node.value
        elif isinstance(node, yaml.MappingNode):
            keys = set()
            for key, value in node.value:
                if isinstance(key, yaml.ScalarNode) and key.value in keys:
                    raise yaml.constructor.ConstructorError(None, None, f"{key.value!r} occurs twice", key.start_mark)
                keys.add(key.value if isinstance(key, yaml.ScalarNode) else None)
                nodes += [key, value]


def _describe(path: Path, root: yaml.Node | None, problem: Any) -> str:
    location = problem["loc"]
    name = printable(".".join(str(part) for part in location))
    return f"{path}:{_line_of(root, location)}: {name + ': ' if name else ''}{problem_in_words(problem)}"


def problem_in_words(problem: Any) -> str:
    """What pydantic found wrong with a setting, in our own words if pydantic's are not a sentence."""
    if problem["type"] == "extra_forbidden":
        return "unknown key. Remove it, or correct its spelling."
    if problem["type"] == "missing":
        return "missing. Add it."
    # The words of a validator of ours come behind the kind of exception it raised.
    text = re.sub(r"^(Value|Assertion) error, ", "", str(problem["msg"]))
    return text if text.endswith(".") else f"{text}."


def _line_of(node: yaml.Node | None, location: tuple[str | int, ...]) -> int:
    """The line of the deepest part of `location` that exists in the file."""
    if node is None:
        return 1
    line = node.start_mark.line + 1
    for part in location:
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                if key.value == str(part):
                    line, node = key.start_mark.line + 1, value
                    break
            else:
                return line
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = node.start_mark.line + 1
        else:
            return line
    return line


def clock(value: Any) -> time:
    """A time of day, as people write it in YAML.

    Raises:
        ValueError: it is none; the message says how to write one.
    """
    if isinstance(value, int) and 60 <= value < 24 * 60:  # YAML parses an unquoted 18:00 as a number of minutes
        return time(value // 60, value % 60)
    if isinstance(value, str) and re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", value):
        return time.fromisoformat(value)
    raise ValueError('expected a time of day in quotes, like "08:00".')
