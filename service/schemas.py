"""What the service says: the shapes of its responses and of what it stores."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from models.config import WHOLE, BaselineName, ModelName, TrainConfig
from models.schema import TableSchema
from service.errors import DETAIL_LENGTH
from service.keys import Role

JobStatus = Literal["queued", "running", "succeeded", "failed", "cancelled"]


class Schema(BaseModel):
    """The base of all: immutable, and no NaN or Infinity in or out."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


LAST_VERSION = 2**53 - 1
"""Beyond, JavaScript's numbers are no longer exact, and a folder's name may be too long."""

VersionNumber = Annotated[int, Field(ge=1, le=LAST_VERSION), WHOLE]

Detail = Annotated[str, Field(max_length=DETAIL_LENGTH)]


class Problem(BaseModel):
    """A refusal, as RFC 9457 has it; `error` repeats `detail`."""

    type: str
    title: str
    status: int
    detail: Detail
    error: Detail


Scores = dict[str, float]
"""Errors by their names, each over the whole of a split.

Of the triples: `train_rmse`, `eval_rmse`, `train_mse`, `eval_mse`; RMSE is the square root of MSE.
Of a table: `rmse`, `mae` and `r2`, or `log_loss`, `auc` and `accuracy`, of the splits `train`,
`validation` and `test`.
"""


class Attempt(Schema):
    """One start of a network's training: the seed of its initial weights, and its outcome."""

    repeat: int = Field(default=1, description="To which of the repeats it belongs.")
    seed: int
    train_rmse: float | None = Field(default=None, description="On triples.")
    validation_loss: float | None = Field(default=None, description="On a table; as in `losses`.")
    outcome: str


class Repeat(Schema):
    """One of a network's independent trainings."""

    seed: int = Field(description="Of its first start.")
    kept: bool = Field(description="Whether it is the one that was made the version.")
    scores: Scores


class Tenth(Schema):
    """Test rows whose predicted probabilities lie in the same tenth of [0, 1]."""

    predicted: float = Field(description="The mean of their probabilities.")
    observed: float = Field(description="The share of the positive class among them.")
    rows: int


class Metadata(Schema):
    """What a version knows of itself: `assets.extra/metadata.json`. Its folder is its number."""

    model: ModelName
    job_id: str
    created_at: datetime
    config: TrainConfig
    table: TableSchema | None = Field(default=None, description="Of a table: its columns.")
    dataset_fingerprint: str = Field(description="SHA-256 of the rows and their split.")
    parameters: int
    scores: Scores
    baseline: Scores = Field(description="The mean predictor on the same rows.")
    refused: str | None = Field(description="Why the version did not take over, if so.")
    losses: list[float] = Field(
        description="While training, per epoch or evaluation: mean squared errors, of a table "
        "those of the scaled target, or cross-entropies."
    )
    validation_losses: list[float] = Field(
        default=[], description="Of a table: the loss on the validation rows, per epoch."
    )
    best_epoch: int | None = Field(
        default=None, description="Of a table: the epoch, from 1, whose weights were kept."
    )
    attempts: list[Attempt] = Field(description="Every start that was made, and its outcome.")
    repeats: list[Repeat] = Field(
        default=[], description="Every independent training, as it was trained."
    )
    calibration: list[Tenth] = Field(
        default=[], description="Of a binary target: of the test rows."
    )
    fit_seconds: float
    libraries: dict[str, str]

    @property
    def chosen_by(self) -> str:
        """The name of the score by which versions of its dataset are compared: less is better."""
        if self.table is None:
            return "eval_rmse"
        return {"regression": "validation_rmse", "binary": "validation_log_loss"}[self.table.task]

    @property
    def was_still_learning(self) -> bool:
        """Whether its epochs ended before its validation error had ceased to fall.

        A cosine schedule is made to end with them, so of such a training nobody can tell.
        """
        optimizer = self.config.optimizer
        if self.best_epoch is None or getattr(optimizer, "schedule", None) == "cosine":
            return False
        return self.best_epoch + (self.config.patience or 1) > self.config.epochs


class Version(Schema):
    """A published version."""

    version: int
    serving: bool
    metadata: Metadata


class Canary(Schema):
    """A version that answers a share of those who name a key, beside the one that serves."""

    version: Annotated[VersionNumber, Field(strict=True)]
    percent: Annotated[float, Field(strict=True, gt=0, le=100)]


class Change(Schema):
    """A change of what serves: `serving.json` holds the last one, `history.jsonl` all."""

    version: int = Field(description="Which serves from then on.")
    canary: Canary | None = Field(default=None, description="Which is tried beside it.")
    epoch: int = Field(default=0, description="How many changes there were, this one included.")
    previous: int | None = Field(default=None, description="Which served before.")
    changed_at: datetime | None = None
    job_id: str | None = Field(default=None, description="The job whose version took over, …")
    key: str | None = Field(
        default=None, description="… or the name of the key with which it was promoted by hand."
    )
    reason: Detail = "from before there was a history"


class History(Schema):
    """What served and serves of one network, newest change first."""

    changes: list[Change]


class Scored(Schema):
    """Something with scores among its members, each by its name."""

    model_config = ConfigDict(extra="allow")

    __pydantic_extra__: Scores = Field(init=False)


class VersionSummary(Scored):
    """A published version in a list."""

    version: int
    serving: bool
    created_at: datetime
    job_id: str
    refused: str | None


class Model(Schema):
    """A network of a dataset and its versions, newest first."""

    dataset: str
    name: ModelName
    serving: int | None
    versions: list[VersionSummary]
    next_cursor: int | None = Field(default=None, description="Of older ones, if there are any.")


class Default(Schema):
    """Who answers where no model is named, and why."""

    model: ModelName
    version: int
    reason: str


class Models(Schema):
    """The networks of a dataset, and which of their serving versions answers by default."""

    dataset: str
    models: list[Model]
    default: Default | None


class Promotion(Schema):
    """Which version is to be the serving one."""

    version: Annotated[VersionNumber, Field(strict=True)]
    canary: Canary | None = Field(
        default=None, description="Which is to be tried beside it; null ends what is tried."
    )


class Progress(Schema):
    """How far a running job is; with Levenberg–Marquardt, epochs are evaluations.

    A baseline is one step, whose loss is 0 until it is measured.
    """

    model: ModelName | BaselineName
    epoch: int
    epochs: int
    loss: float


class Result(Schema):
    """What a job published for one network."""

    model: ModelName
    version: int
    parameters: int
    scores: Scores
    attempts: int
    refused: str | None


class Job(Schema):
    """A training job."""

    id: str
    status: JobStatus
    created_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
    progress: Progress | None = None
    results: list[Result] = []
    waiting_for: str | None = Field(
        default=None, description="Why it does not start or go on, if there is no worker to do so."
    )
    error: str | None = Field(default=None, description="Why it failed.")
    config: TrainConfig


class Jobs(Schema):
    """A page of jobs, newest first."""

    jobs: list[Job]
    next_cursor: str | None = Field(default=None, description="Of the next page, if there is one.")


class Live(Schema):
    """The process answers."""

    status: Literal["ok"] = "ok"


class Whoami(Schema):
    """What the sender of a request may do."""

    needs_key: bool
    key: str | None = Field(description="Its name; null without one, or with an unknown one.")
    role: Role | None = Field(description="Null where a key is needed, and there is no known one.")


class Training(Schema):
    """Whether jobs can be posted and run, and what is missing for that."""

    ready: bool
    missing: list[str]


class Ready(Schema):
    """Whether the service can do what was asked about, and what is missing or damaged."""

    ready: bool
    missing: list[str]
    damaged: list[str] = Field(
        description="Versions of triples, of tables that were asked for, and of others that were "
        "met in reading; and what is wrong with each."
    )
    serving: dict[ModelName, int]
    training: Training
