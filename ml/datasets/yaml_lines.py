"""Reads a YAML file as plain text values and remembers on which line each stands.

Every scalar stays the text that was written, so a column called `on`, a value `no` or an id `007` means itself; whoever
validates the document turns text into numbers and dates. Aliases and tags are refused: a descriptor needs neither, and
an alias can make a small file expand without bound. So are characters that no database, file name or log takes.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from ml.errors import ExitCode, TrailguardError

_TAGS = frozenset(f"tag:yaml.org,2002:{name}" for name in ("str", "int", "float", "bool", "null", "timestamp"))
Validated = TypeVar("Validated", bound=BaseModel)
MAX_DEPTH = 20  # the parser's time grows with the square of it
MAX_BYTES = 2**18  # which take the parser two seconds
# Escapes can spell what files may not hold.
_NO_TEXT = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
_NULL = "tag:yaml.org,2002:null"


class YamlInvalid(TrailguardError):
    """A YAML file cannot be read.

    Mend the file at the line and column named above.
    """

    exit_code = ExitCode.USAGE


@dataclass(frozen=True)
class LocatedYaml:
    """value: dicts, lists, text and None only. where: finds the place of any part of it."""

    path: Path
    value: object
    root: yaml.Node

    def where(self, location: Sequence[str | int], *, key: bool = False) -> str:
        """`file:line:column` of the value at that location, or of its key.

        Where the document holds no such part, of the deepest one around it.
        """
        node, name = self.root, self.root
        for step in location:
            found = _step(node, step)
            if found is not None:  # a validator's steps between, such as the member of a union, stand in no document
                name, node = found
        mark = (name if key else node).start_mark
        return f"{self.path}:{mark.line + 1}:{mark.column + 1}"


def read_yaml(path: Path) -> LocatedYaml:
    """Reads one document. Raises YamlInvalid for anything but mappings, lists and scalars with distinct text keys."""
    try:
        text = _read_text(path)
        _refuse_expansion(path, text)
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except (OSError, ValueError) as error:  # of bytes that are not UTF-8, and of escapes beyond Unicode
        raise YamlInvalid(where=f"{path}:1:1", problem=str(error) or type(error).__name__) from None
    except yaml.MarkedYAMLError as error:
        hint = ": put it in quotes" if "cannot start any token" in (error.problem or "") else ""
        raise _invalid(path, error.problem_mark or error.context_mark, f"{error.problem}{hint}") from None
    except yaml.YAMLError as error:
        raise YamlInvalid(where=f"{path}:1:1", problem=str(error)) from None
    if root is None:
        raise YamlInvalid(where=f"{path}:1:1", problem="the file is empty")
    return LocatedYaml(path, _plain(path, root), root)


def load_validated(path: Path, model: type[Validated], refusal: type[TrailguardError]) -> Validated:
    """The file's document as a model. Raises the refusal, with where, problem and, of a value, its key."""
    try:
        document = read_yaml(path)
        return model.model_validate(document.value)
    except YamlInvalid as error:
        raise refusal(where=error.where, problem=error.problem) from None
    except ValidationError as error:
        raise refusal(**_tell_problems(document, error)) from None


def _tell_problems(document: LocatedYaml, error: ValidationError) -> dict[str, str]:
    """where, key and problem of the first thing wrong, and the others in one line, for an error's facts."""
    problems = []
    for item in error.errors(include_url=False):
        about_key = item["type"] == "extra_forbidden" or "[key]" in item["loc"]
        location = [step for step in item["loc"] if step != "[key]"]
        key = ".".join(map(str, location)) or "the document"
        problems.append((document.where(location, key=about_key), key, _words(item)))
    (where, key, problem), *others = problems
    more = {"others": "; ".join(f"{where} {key}: {problem}" for where, key, problem in others)} if others else {}
    return {"where": where, "key": key, "problem": problem, **more}


def _words(item: dict) -> str:
    if item["type"] == "extra_forbidden":
        return "unknown key"
    if item["type"] == "missing":
        return "this key is missing"
    return item["msg"].removeprefix("Value error, ")


def _read_text(path: Path) -> str:
    with path.open("rb") as file:
        data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise YamlInvalid(where=f"{path}:1:1", problem=f"the file holds more than {MAX_BYTES} bytes")
    return data.decode("utf-8-sig")


def _refuse_expansion(path: Path, text: str) -> None:
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        if isinstance(event, yaml.AliasEvent):
            raise _invalid(
                path,
                event.start_mark,
                f"the alias *{event.anchor} is not allowed: put text that begins with * in quotes",
            )
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            raise _invalid(path, event.start_mark, f"nested more than {MAX_DEPTH} deep")


def _plain(path: Path, node: yaml.Node) -> object:
    if isinstance(node, yaml.ScalarNode):
        if node.tag not in _TAGS:
            raise _invalid(path, node.start_mark, f"the tag {node.tag} is not allowed")
        return None if node.tag == _NULL else _text(path, node)
    if isinstance(node, yaml.SequenceNode):
        return [_plain(path, item) for item in node.value]
    plain = {}
    for key, value in node.value:
        if not isinstance(key, yaml.ScalarNode):
            raise _invalid(path, key.start_mark, "a key must be text")
        if _text(path, key) in plain:
            raise _invalid(path, key.start_mark, f"the key {key.value!r} stands here a second time")
        plain[key.value] = _plain(path, value)
    return plain


def _text(path: Path, scalar: yaml.ScalarNode) -> str:
    if found := _NO_TEXT.search(scalar.value):
        raise _invalid(path, scalar.start_mark, f"the character {found[0]!r} is not allowed")
    return scalar.value


def _step(node: yaml.Node, step: str | int) -> tuple[yaml.Node, yaml.Node] | None:
    """Key and value."""
    if isinstance(node, yaml.MappingNode):
        return next(((key, value) for key, value in node.value if key.value == step), None)
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        return node.value[step], node.value[step]
    return None


def _invalid(path: Path, mark: yaml.Mark | None, problem: str | None) -> YamlInvalid:
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    return YamlInvalid(where=f"{path}:{line}:{column}", problem=problem)
