"""The shapes of a comparison: its rows, and the verdict."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from models.config import BaselineName, Dataset, ModelName
from service.schemas import Canary, Repeat, Schema, Scored, Scores, Tenth

RowName = Literal["mean"] | BaselineName | ModelName


class Row(Scored):
    """A row of the comparison: the mean predictor's, or another baseline's."""

    parameters: int
    seconds: float | None = Field(default=None, description="What its training took.")
    rows: int | None = Field(default=None, description="Training rows that it was made from.")
    calibration: list[Tenth] = Field(default=[], description="Of a binary target.")


class NetworkRow(Row):
    """A row of the comparison: a network's, with what it was measured on.

    Its scores are those of the version; over its repeats, the version's among them, are the mean
    and the standard deviation.
    """

    version: int
    job_id: str
    serving: bool
    refused: str | None
    dataset: Dataset
    baseline: Scores = Field(description="The mean predictor on the same rows.")
    still_learning: bool = Field(
        default=False,
        description="Its epochs ended before its validation error had ceased to fall: with more "
        "`epochs` it may be better.",
    )
    repeats: list[Repeat] = Field(default=[], description="Each as it was trained.")
    mean: Scores = Field(default={}, description="Of the scores of all repeats.")
    standard_deviation: Scores = Field(default={}, description="With one repeat there is none.")


class Pair(Schema):
    """Two rows of the comparison, held against each other on the same test rows."""

    a: RowName
    b: RowName
    difference: float = Field(description="The error of `a` less that of `b`, mean of the repeats.")
    low: float = Field(description="From here …")
    high: float = Field(description="… to here goes the 95% interval of the difference.")
    verdict: str


class Verdict(Schema):
    """What the comparison shows: in a sentence, and pair by pair."""

    score: str = Field(description="The error that was compared.")
    summary: str
    pairs: list[Pair]


class Measured(Schema):
    """What a job measured beside its networks: `assets.extra/comparison.json`."""

    baselines: dict[Literal["mean"] | BaselineName, Row]
    verdict: Verdict


class LiveRow(Schema):
    """What a version has answered to those who name a key, while another is tried beside it."""

    version: int
    requests: int
    rows: int
    mean: float | None = Field(description="Of its predictions.")
    standard_deviation: float | None


class Trial(Schema):
    """A version that is tried on live traffic beside the one that serves."""

    network: ModelName
    version: int
    canary: Canary
    since: datetime | None
    rows: list[LiveRow] = Field(
        description="As the API processes of this machine have counted them; a Prometheus adds up "
        "those of all machines."
    )


class Comparison(Schema):
    """The baselines and the networks, as far as there are any, and the verdict."""

    dataset: str
    models: dict[RowName, NetworkRow | Row]
    verdict: Verdict | None = Field(
        default=None,
        description="Of the rows that the newest job has made, for others were not held against "
        "them; null where there is nothing to say.",
    )
    trials: list[Trial] = Field(default=[], description="What is tried beside what serves.")


class Importance(Schema):
    """How much a prediction depends on a feature."""

    feature: str
    increase: float = Field(
        description="Of the error on test rows with the feature's values shuffled; mean of five."
    )
    deviation: float = Field(description="The standard deviation of that.")


class Interaction(Schema):
    """Two features that cross layers multiply, or one with itself."""

    a: str
    b: str
    strength: float = Field(
        description="About the standard deviation of that product in the network's output."
    )


class Interactions(Schema):
    """What a version found: `assets.extra/interactions.json`."""

    importances: list[Importance] = Field(description="The most important feature first.")
    interactions: list[Interaction] | None = Field(
        description="The strongest pair first; null where no kernel tells of pairs: without cross "
        "layers, or with experts."
    )
