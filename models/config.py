"""Every knob of a training job, its default and its bounds.

The defaults are the experiment of "Cross Layers vs Fully Connected Layers": an empty
config is that experiment.
"""

from typing import Annotated, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    model_validator,
)

from models.recipes import overlay, recipe
from models.schema import TRIPLES, DatasetName

ModelName = Literal["dense", "cross", "deep_cross"]
MODEL_NAMES: tuple[ModelName, ...] = ("dense", "cross", "deep_cross")

COMPARED: tuple[ModelName, ...] = ("dense", "cross")
"""Those that a job trains if it is told nothing else."""

BaselineName = Literal["linear", "products", "trees", "biases"]
BASELINE_NAMES: tuple[BaselineName, ...] = ("linear", "products", "trees", "biases")
"""Beside the mean predictor, which is always there."""

FEATURES = 3
"""Every instance is a triple."""

Precision = Literal["float32", "float64"]
Initializer = Literal["glorot_uniform", "lively"]
Structure = Literal["parallel", "stacked"]
Preset = Literal["seed", "best"]
Promote = Literal["if_better", "always", "never"]
OptimizerName = Literal["adagrad", "adam", "sgd", "rmsprop", "nadam", "adamw"]

LEARNING_RATES: dict[OptimizerName, float] = {
    "adagrad": 0.4,  # the experiment's
    "adam": 0.001,  # the others are Keras's own defaults
    "sgd": 0.01,
    "rmsprop": 0.001,
    "nadam": 0.001,
    "adamw": 0.001,
}


def _whole(value: object) -> object:
    return int(value) if isinstance(value, float) and value.is_integer() else value


WHOLE = BeforeValidator(_whole)
"""JSON knows one kind of number, and JSON Schema takes 3.0 for the integer 3; so do we."""

Whole = Annotated[int, WHOLE]
Units = Annotated[int, Field(ge=1, le=4096), WHOLE]
Revision = Annotated[int, Field(ge=1, le=2**53 - 1), WHOLE]
Seed = Annotated[int, Field(ge=0, le=2**32 - 1), WHOLE]


class _Part(BaseModel):
    # Strict: "100" is not a number and true is not 1. A client that says so has a fault.
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class SyntheticDataset(_Part):
    """Triples drawn from {0, 1/200, …, 199/200}³ and a quadratic function of them."""

    kind: Literal["synthetic"] = "synthetic"
    size: Whole = Field(
        default=100_000, ge=10, le=10**9, description="Rows in all, both splits together."
    )
    seed: Seed = Field(default=42, description="Seed of the rows; the weights have their own.")
    eval_fraction: float = Field(default=0.1, gt=0, lt=1, description="The last rows, held out.")

    @property
    def name(self) -> str:
        """The name under which everything about this dataset lives."""
        return TRIPLES

    @property
    def train_size(self) -> int:
        """Rows in the training split."""
        return self.size - round(self.size * self.eval_fraction)

    @model_validator(mode="after")
    def _both_splits_hold_rows(self) -> Self:
        if not 0 < self.train_size < self.size:
            raise ValueError("`eval_fraction` leaves one of the two splits without a row")
        return self


class TableDataset(_Part):
    """A table that was uploaded, and how its rows are split.

    At random a row's side follows from a hash of its features and the split's seed: equal rows
    share it, and no later revision moves one.
    """

    kind: Literal["table"]
    name: DatasetName
    revision: Revision | None = Field(
        default=None, description="Default: the newest one when the job is posted."
    )
    validation_fraction: float = Field(
        default=0.1, gt=0, lt=0.5, description="Of all rows: they choose and promote."
    )
    test_fraction: float = Field(
        default=0.1, gt=0, lt=0.5, description="Of all rows: they are reported, and nothing else."
    )
    split_seed: Seed = Field(default=42, description="Of the hash, if rows are split at random.")
    split_by: str | None = Field(
        default=None,
        description="A column, as time: rows are split in its order, the last ones are for test.",
    )


def _named(value: object) -> object:
    """A dataset by its name alone."""
    if not isinstance(value, str):
        return value
    return {"kind": "synthetic"} if value == TRIPLES else {"kind": "table", "name": value}


def _kind_of_dataset(value: object) -> str:
    kind = value.get("kind") if isinstance(value, dict) else getattr(value, "kind", None)
    return "<table>" if kind == "table" else "<synthetic>"


_InFull = Annotated[
    Annotated[SyntheticDataset, Tag("<synthetic>")] | Annotated[TableDataset, Tag("<table>")],
    Discriminator(_kind_of_dataset),
]

Dataset = Annotated[_InFull, BeforeValidator(_named, json_schema_input_type=_InFull | DatasetName)]
"""In full, or by its name."""


class GradientDescent(_Part):
    """One of Keras's optimizers. Without a learning rate: 0.4 for Adagrad, else Keras's default."""

    name: OptimizerName = "adagrad"
    learning_rate: float = Field(
        default_factory=lambda given: LEARNING_RATES[given["name"]], gt=0, le=1000
    )
    schedule: Literal["constant", "cosine"] = Field(
        default="constant",
        description="cosine: the learning rate falls from epoch to epoch, to nearly 0 in the last.",
    )


class LevenbergMarquardt(_Part):
    """Least squares on all rows at once, in float64: exact where the network can be."""

    name: Literal["levenberg_marquardt"]
    max_evaluations: Whole = Field(default=100, ge=1, le=10_000)
    screening_rows: Whole = Field(
        default=1000, ge=10, le=10**9, description="Rows that several starts compete on."
    )
    block_rows: Whole = Field(
        default=4096, ge=10, le=1_000_000, description="Rows in memory at a time."
    )


def _kind_of_optimizer(value: object) -> str:
    name = value.get("name") if isinstance(value, dict) else getattr(value, "name", None)
    return "<exact>" if name == "levenberg_marquardt" else "<gradient>"


Optimizer = Annotated[
    Annotated[GradientDescent, Tag("<gradient>")] | Annotated[LevenbergMarquardt, Tag("<exact>")],
    Discriminator(_kind_of_optimizer),
]


class DenseNetwork(_Part):
    """Fully connected ReLU layers and one linear unit."""

    hidden_units: list[Units] = Field(default=[3, 3, 3], min_length=1, max_length=16)
    initializer: Initializer = Field(
        default="glorot_uniform", description="lively: hardly a network is born dead."
    )


class CrossNetwork(_Part):
    """Cross layers over the features and one linear unit."""

    layers: Whole = Field(default=1, ge=1, le=16)
    rank: Units | None = Field(
        default=None,
        description="Of the factors of each layer's kernel, as in DCN-V2; default: a whole kernel.",
    )
    experts: Whole = Field(
        default=1, ge=1, le=16, description="Low-rank kernels of a layer, mixed by a gate."
    )

    @model_validator(mode="after")
    def _experts_are_of_low_rank(self) -> Self:
        if self.experts > 1 and self.rank is None:
            raise ValueError("`experts` needs `rank`: only kernels of low rank are mixed")
        return self


class DeepCrossNetwork(CrossNetwork):
    """Cross layers and ReLU layers together, and one linear unit."""

    structure: Structure = Field(
        default="parallel",
        description="parallel: both over the features, joined before the linear unit; "
        "stacked: the ReLU layers over what the cross layers say.",
    )
    hidden_units: list[Units] = Field(default=[64, 64], min_length=1, max_length=16)


class NumericEmbedding(_Part):
    """Sines and cosines of each number, and a small ReLU layer over them, for every number.

    Numbers that are the same in most rows, as gains and losses, are looked up besides, as words.

    Gorishniy et al., "On Embeddings for Numerical Features in Tabular Deep Learning", 2022.
    """

    frequencies: Whole = Field(default=48, ge=1, le=256, description="Of each number; they learn.")
    lowest: float = Field(
        default=0.05, gt=0, le=100, description="Frequencies are spread evenly from here at first …"
    )
    highest: float = Field(
        default=30.0, gt=0, le=100, description="… to here, on a logarithmic scale."
    )
    width: Whole = Field(default=24, ge=1, le=256, description="How many numbers stand for one.")
    values: Whole = Field(
        default=255,
        ge=0,
        le=10_000,
        description="A number that is the same in most rows, and has at most so many values, has "
        "an embedding for each of them, too; 0: none.",
    )

    @model_validator(mode="after")
    def _has_a_range(self) -> Self:
        if self.lowest > self.highest:
            raise ValueError("`lowest` must not be above `highest`")
        return self


class TrainConfig(_Part):
    """What to train, on what, and how.

    Every default is the experiment's, but for `max_restarts`: there, a dense network that died
    stayed dead. On a table they are those of the recipe `FOR_TABLES`.
    """

    preset: Preset | None = Field(
        default=None, description="A whole recipe; fields given beside it take precedence."
    )
    models: list[ModelName] = Field(
        default=list(COMPARED),
        min_length=1,
        max_length=len(MODEL_NAMES),
        json_schema_extra={"uniqueItems": True},
    )
    dataset: Dataset = SyntheticDataset()
    epochs: Whole = Field(default=100, ge=1)
    batch_size: Annotated[int, Field(ge=1, le=1_000_000), WHOLE] | None = Field(
        default=1000,
        description="Rows of an update. null, on tables: 256, and in small ones as many as make "
        "32 updates an epoch, but 16 at least.",
    )
    patience: Annotated[int, Field(ge=1), WHOLE] | None = Field(
        default=None,
        description="Epochs without a smaller validation loss before training stops. On tables; "
        "the weights of the best epoch are kept.",
    )
    seed: Seed = Field(default=42, description="Seed of the first start's initial weights.")
    optimizer: Optimizer = GradientDescent()
    precision: Precision = Field(
        default="float32", description="Of training and serving; float64 if the optimizer is exact."
    )
    restarts: Whole = Field(
        default=1, ge=1, le=256, description="Independent starts; the best in training is kept."
    )
    max_restarts: Whole = Field(
        default=10, ge=0, le=100, description="New starts while none beats the mean predictor."
    )
    repeats: Whole = Field(
        default=1,
        ge=1,
        le=64,
        description="Independent trainings of each network, each with its own restarts: "
        "the comparison has their mean and spread; the best on the validation rows is kept.",
    )
    ensemble: Whole = Field(
        default=1, ge=1, le=64, description="Starts whose mean is one network, instead of one."
    )
    dropout: float = Field(
        default=0, ge=0, lt=1, description="Of the hidden units, while training."
    )
    weight_decay: float = Field(
        default=0,
        ge=0,
        le=1,
        description="Decoupled; of kernels and embeddings, not of biases. 0: the optimizer's own.",
    )
    numeric_embedding: NumericEmbedding | None = Field(
        default=None, description="Of a table's numbers, in all networks; default: none."
    )
    dense: DenseNetwork = DenseNetwork()
    cross: CrossNetwork = CrossNetwork()
    deep_cross: DeepCrossNetwork = DeepCrossNetwork()
    baselines: list[BaselineName] = Field(
        default=list(BASELINE_NAMES),
        max_length=len(BASELINE_NAMES),
        json_schema_extra={"uniqueItems": True},
        description="What else is in the comparison, beside the mean predictor.",
    )
    promote: Promote = Field(
        default="if_better",
        description="Whether what is trained may take over: if it beats the mean predictor and is "
        "no worse than what serves, on the same held-out rows; always; or never.",
    )

    @model_validator(mode="before")
    @classmethod
    def _fill_in(cls, value: object) -> object:
        if not isinstance(value, dict):
            return value
        of_table = _kind_of_dataset(_named(value.get("dataset"))) == "<table>"
        filled = overlay(recipe(value.get("preset"), of_table), value)
        if _kind_of_optimizer(filled.get("optimizer")) == "<exact>":
            filled.setdefault("precision", "float64")
        return filled

    @model_validator(mode="after")
    def _exact_in_float64(self) -> Self:
        if self.optimizer.name == "levenberg_marquardt" and self.precision != "float64":
            raise ValueError("`precision` must be float64 with the optimizer levenberg_marquardt")
        return self

    @model_validator(mode="after")
    def _fits_the_dataset(self) -> Self:
        if isinstance(self.dataset, TableDataset):
            if self.preset == "seed":
                raise ValueError("the `preset` seed is for the dataset triples")
        elif self.patience is not None:
            raise ValueError("`patience` needs validation rows, which the dataset triples lacks")
        elif self.batch_size is None:
            raise ValueError("`batch_size` may be null on tables only")
        elif self.numeric_embedding is not None:
            raise ValueError("`numeric_embedding` is for tables")
        return self

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        for names in ("models", "baselines"):
            if len(set(getattr(self, names))) < len(getattr(self, names)):
                raise ValueError(f"`{names}` names one twice")
        return self

    @model_validator(mode="after")
    def _one_of_several_starts(self) -> Self:
        if self.ensemble > 1 and self.restarts > 1:
            raise ValueError("`ensemble` takes the mean of starts, `restarts` the best: choose one")
        return self

    @model_validator(mode="after")
    def _exact_as_it_is(self) -> Self:
        if self.optimizer.name == "levenberg_marquardt":
            for name in ("dropout", "weight_decay", "ensemble", "numeric_embedding"):
                if getattr(self, name) != type(self).model_fields[name].default:
                    raise ValueError(f"`{name}` is for gradient descent, not levenberg_marquardt")
        return self
