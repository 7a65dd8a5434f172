"""The frozen shape of the status payload (slots 18) and how a payload is held against it.

`status_schema.json` is the contract with every reader: each key with its type, `?` where it may be null, a list with
the shape of its items, `*` where the keys are names and not fields. A key that is new must be added there on purpose;
one that is gone or changed its type breaks somebody, so the test does.
"""

import json
from pathlib import Path
from typing import Any

SCHEMA = json.loads(Path(__file__).with_suffix(".json").read_text(encoding="utf-8"))
_TYPES = {"bool": (bool,), "int": (int,), "float": (float, int), "str": (str,)}


def faults(shape: Any, value: Any, path: str = "status") -> list[str]:
    """Return what of a value does not have the shape; a bool is no number."""
    if isinstance(shape, dict):
        return _of_object(shape, value, path)
    if isinstance(shape, list):
        if not isinstance(value, list | tuple):
            return [f"{path} is no list but {value!r}"]
        return [text for place, item in enumerate(value) for text in faults(shape[0], item, f"{path}[{place}]")]
    name, nullable = shape.removesuffix("?"), shape.endswith("?")
    if name == "any" or (value is None and nullable):
        return []
    fits = isinstance(value, _TYPES[name]) and (name == "bool" or not isinstance(value, bool))
    return [] if fits else [f"{path} is not {shape} but {value!r}"]


def _of_object(shape: dict[str, Any], value: Any, path: str) -> list[str]:
    if not isinstance(value, dict):
        return [f"{path} is no object but {value!r}"]
    if "*" in shape:
        return [text for key, item in value.items() for text in faults(shape["*"], item, f"{path}.{key}")]
    found = [f"{path}.{key} is missing" for key in shape if key not in value]
    found += [f"{path}.{key} is new: add it to status_schema.json" for key in value if key not in shape]
    for key in shape.keys() & value.keys():
        found += faults(shape[key], value[key], f"{path}.{key}")
    return sorted(found)
