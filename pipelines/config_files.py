"""Reads the YAML files that people write (settings, sources, suites) into pydantic models.

Belongs here: turning a file into a model, and an error into `file:line: what is wrong, what to do`.
Does not belong here: the meaning of these files.
"""

import re
from datetime import time
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

Model = TypeVar("Model", bound=BaseModel)


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]  # libyaml's is ten times faster
    """A loader that says in which line a date is that does not exist."""

    def construct_yaml_timestamp(self, node: yaml.ScalarNode) -> Any:
        try:
            return super().construct_yaml_timestamp(node)
        except ValueError as error:
            problem = f"{node.value} is not a date: {error}"
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark) from None


_Loader.add_constructor("tag:yaml.org,2002:timestamp", _Loader.construct_yaml_timestamp)


class ConfigError(Exception):
    """A file or argument that a person wrote is invalid; the message names file, line and the next step."""


def load_yaml_model(path: Path, model: type[Model]) -> Model:
    """Read the YAML file at `path` as a `model`.

    Raises:
        ConfigError: the file is missing, is not YAML, or does not match `model`. Every problem is on its own line, as
            `file:line: setting: problem`.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file.") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror or error}.") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: is not UTF-8 text. Save it as UTF-8.") from None
    try:
        root, content = _parsed(text)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ConfigError(f"{path}:{line}: not valid YAML: {error.problem}.") from None
    except (yaml.YAMLError, ValueError) as error:  # characters that YAML forbids
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


def _parsed(text: str) -> tuple[yaml.Node | None, Any]:
    """The document's nodes, which know their lines, and its content; parsed only once, since commands wait for it."""
    loader = _Loader(text)
    try:
        root = loader.get_single_node()
        return root, None if root is None else loader.construct_document(root)
    finally:
        loader.dispose()


def _describe(path: Path, root: yaml.Node | None, problem: Any) -> str:
    location = problem["loc"]
    name = ".".join(str(part) for part in location)
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
