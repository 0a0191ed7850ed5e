"""The features that a version takes, by which rows of every format are read."""

import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.schema import Column, TableSchema, Type
from service.errors import DETAIL_LENGTH, Invalid, element, excerpt, printable
from service.nearest import did_you_mean
from service.predict.formats.question import Features
from service.tables.revisions import THE_TRIPLES

OF_TRIPLES = TableSchema(
    features=THE_TRIPLES.features, target=THE_TRIPLES.target, task=THE_TRIPLES.task
)

LONGEST_COMPARED, MOST_COMPARED = 100, 1000

MUST_BE: Mapping[Type, str] = {
    "number": "a number",
    "boolean": "true or false",
    "text": "a text",
    "code": "a whole number or a text",
}

_whole = re.compile(r"[+-]?[0-9]{1,100}").fullmatch


class Intake:
    """The features of a table; without a table, those of a triple, none of which may be missing."""

    def __init__(self, table: TableSchema | None = None) -> None:
        self.are_triples = table is None
        self.schema = table or OF_TRIPLES
        self.features = self.schema.features
        self.names = [feature.name for feature in self.features]

    def take(self, columns: Sequence[NDArray[Any]]) -> Features:
        """What a network of this dataset takes, of its columns in the schema's order."""
        if self.are_triples:
            return {"features": np.stack(columns, axis=1)}
        return dict(zip(self.names, columns, strict=True))

    def refuse_unfit(self, feature: Column, numbers: NDArray[np.float64]) -> None:
        """Raises Invalid where a number cannot be in its column; NaN is missing."""
        wrong = ~np.isfinite(numbers) if self.are_triples else np.isinf(numbers)
        if wrong.any():
            raise self.refusal(int(np.argmax(wrong)), feature.name, "it is not a finite number")
        if feature.type == "boolean":
            wrong = ~(np.isnan(numbers) | (numbers == 0) | (numbers == 1))
            if wrong.any():
                raise self.refusal(int(np.argmax(wrong)), feature.name, "must be true or false")

    def refuse_others(self, names: Iterable[str]) -> None:
        """Raises Invalid where these are not the columns; of a table, some may be absent."""
        found = list(names)
        known = set(self.names)
        for name in found:
            if name not in known:
                raise Invalid(f"column {excerpt(name)}: {self.why_not(name)}")
        if len(found) > len(set(found)):
            repeated = next(name for name in self.names if found.count(name) > 1)
            raise Invalid(f"column {excerpt(repeated)}: it is there more than once")
        if self.are_triples and len(found) < len(known):
            absent = next(name for name in self.names if name not in found)
            raise Invalid(f"column {excerpt(absent)}: it is missing")

    def why_not(self, name: str) -> str:
        """Why a column is refused that is no feature."""
        if name == self.schema.target and not self.are_triples:
            return "it is the target, which is predicted: leave it out"
        if name in self.schema.others:
            return "it is none of the features: leave it out"
        # Comparing takes time, and names may be long and many.
        likely = [known[:LONGEST_COMPARED] for known in self.names[:MOST_COMPARED]]
        nearest = did_you_mean(name[:LONGEST_COMPARED], likely)
        return f"there is no such column{printable(nearest, DETAIL_LENGTH)}"

    def wrong_in(self, row: int, instance: Any) -> Invalid | None:
        """What is wrong with an instance, as JSON has it, if anything is."""
        if isinstance(instance, dict):
            for name in instance:
                if name not in self.names:
                    return self.refusal(row, name, self.why_not(name))
            places: Sequence[str | int] = self.names
            values = [instance.get(name) for name in self.names]
            missing = [name for name in self.names if name not in instance]
            if self.are_triples and missing:
                return self.refusal(row, missing[0], "it is missing")
        elif isinstance(instance, list):
            if len(instance) != len(self.names):
                what = f"{len(self.names)} values, one for each column"
                return self.refusal(row, None, f"must hold {what}, received {len(instance)}")
            places, values = range(len(instance)), instance
        else:
            what = "an object by column name, or an array"
            return self.refusal(row, None, f"must be {what}, received {excerpt(instance)}")
        for place, value, feature in zip(places, values, self.features, strict=True):
            if wrong := self.wrong_value(row, place, feature, value):
                return wrong
        return None

    def wrong_value(
        self, row: int, place: str | int, feature: Column, value: Any
    ) -> Invalid | None:
        """What is wrong with a value, as JSON has it, if anything is; None is missing."""
        if _FITS[feature.type](value) or (value is None and not self.are_triples):
            return None
        must_be = MUST_BE[feature.type]
        return self.refusal(row, place, f"must be {must_be}, received {excerpt(value)}")

    def refusal(self, row: int, place: str | int | None, what: str) -> Invalid:
        """The refusal of an instance, or of one of its values."""
        within = () if place is None else (place,)
        return Invalid(f"{element(('instances', row, *within))}: {what}")


def missing(feature: Column, rows: int) -> NDArray[Any]:
    """A column without any value."""
    if feature.kind == "numeric":
        return np.full(rows, np.nan)
    return np.full(rows, "", object)


def code(value: float | str) -> str:
    """A whole number as the text that stands for it: 7, 7.0, "7" and "07" are the same."""
    if isinstance(value, str):
        return str(int(value)) if _whole(value) else value
    return str(int(value))


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and abs(value) <= sys.float_info.max


_FITS: Mapping[Type, Callable[[Any], bool]] = {
    "number": _is_number,
    "boolean": lambda value: isinstance(value, bool) or value in (0, 1),
    "text": lambda value: isinstance(value, str),
    "code": lambda value: isinstance(value, str) or (_is_number(value) and value == value // 1),
}
