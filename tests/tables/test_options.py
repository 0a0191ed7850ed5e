from typing import Any

import pytest
from pydantic import ValidationError

from service.tables.options import Options


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        ({"encoding": "windows-1252"}, {"encoding": "cp1252"}),
        ({"encoding": "UTF8"}, {"encoding": "utf-8"}),
        ({"delimiter": "\\t"}, {"delimiter": "\t"}),
        ({"delimiter": "tab"}, {"delimiter": "\t"}),
        ({"delimiter": ";"}, {"delimiter": ";"}),
        ({"decimal": ","}, {"decimal": ","}),
        ({"exclude": ["a", "b"]}, {"exclude": ("a", "b")}),
    ],
)
def test_options_are_understood(given: dict[str, Any], taken: dict[str, Any]) -> None:
    options = Options.model_validate({"target": "y", **given})
    assert options.model_dump(include=set(taken)) == taken
    assert Options.model_validate_json(options.model_dump_json()) == options


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"target": ""}, "target"),
        ({"encoding": "base64"}, "no encoding"),
        ({"encoding": "idna"}, "no encoding"),
        ({"encoding": "unicode_escape"}, "no encoding"),
        ({"encoding": "utf-7"}, "no encoding"),
        ({"encoding": "no\0ne"}, "no encoding"),
        ({"delimiter": ""}, "one sign"),
        ({"delimiter": "::"}, "one sign"),
        ({"delimiter": "a"}, "one sign"),
        ({"delimiter": '"'}, "one sign"),
        ({"delimiter": "."}, "one sign"),
        ({"delimiter": ",", "decimal": ","}, "must differ"),
        ({"features": ["a"], "exclude": ["b"]}, "not both"),
        ({"exclude": ["y"]}, "must not hold the target"),
        ({"features": ["a", "y"]}, "must not hold the target"),
        ({"categorical": ["y"]}, "must not hold the target"),
        ({"task": "clustering"}, "task"),
        ({"format": "xlsx"}, "format"),
    ],
)
def test_options_that_cannot_be_are_refused(given: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        Options.model_validate({"target": "y", **given})
