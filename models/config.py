"""Every knob of a training job, its default and its bounds.

The defaults are the experiment of "Cross Layers vs Fully Connected Layers": an empty
config is that experiment.
"""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

ModelName = Literal["dense", "cross"]
MODEL_NAMES: tuple[ModelName, ...] = ("dense", "cross")

FEATURES = 3
"""Every instance is a triple."""

OptimizerName = Literal["adagrad", "adam", "sgd", "rmsprop", "nadam", "adamw"]

LEARNING_RATES: dict[OptimizerName, float] = {
    "adagrad": 0.4,  # the experiment's
    "adam": 0.001,  # the others are Keras's own defaults
    "sgd": 0.01,
    "rmsprop": 0.001,
    "nadam": 0.001,
    "adamw": 0.001,
}

Units = Annotated[int, Field(ge=1, le=256)]
Seed = Annotated[int, Field(ge=0, le=2**32 - 1)]


class _Part(BaseModel):
    # Strict: "100" is not a number and true is not 1. A client that says so has a fault.
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class SyntheticDataset(_Part):
    """Triples drawn from {0, 1/200, …, 199/200}³ and a quadratic function of them."""

    kind: Literal["synthetic"] = "synthetic"
    size: int = Field(default=100_000, ge=10, description="Rows in all, both splits together.")
    seed: Seed = Field(default=42, description="Seed of the rows; the weights have their own.")
    eval_fraction: float = Field(default=0.1, gt=0, lt=1, description="The last rows, held out.")

    @property
    def train_size(self) -> int:
        """Rows in the training split."""
        return self.size - round(self.size * self.eval_fraction)

    @model_validator(mode="after")
    def _both_splits_hold_rows(self) -> Self:
        if not 0 < self.train_size < self.size:
            raise ValueError("`eval_fraction` leaves one of the two splits without a row")
        return self


class Optimizer(_Part):
    """One of Keras's optimizers. Without a learning rate: 0.4 for Adagrad, else Keras's default."""

    name: OptimizerName = "adagrad"
    learning_rate: float = Field(default=0.0, gt=0, le=1000, validate_default=False)

    @model_validator(mode="before")
    @classmethod
    def _default_learning_rate(cls, value: object) -> object:
        if isinstance(value, dict) and "learning_rate" not in value:
            name = value.get("name", "adagrad")
            if name in LEARNING_RATES:
                return {**value, "learning_rate": LEARNING_RATES[name]}
        return value


class DenseNetwork(_Part):
    """Fully connected ReLU layers and one linear unit."""

    hidden_units: list[Units] = Field(default=[3, 3, 3], min_length=1, max_length=16)


class CrossNetwork(_Part):
    """Cross layers over the features and one linear unit."""

    layers: int = Field(default=1, ge=1, le=16)


class TrainConfig(_Part):
    """What to train, on what, and how. Every field has the experiment's value as its default."""

    models: list[ModelName] = Field(default=list(MODEL_NAMES), min_length=1, max_length=2)
    dataset: SyntheticDataset = SyntheticDataset()
    epochs: int = Field(default=100, ge=1)
    batch_size: int = Field(default=1000, ge=1, le=1_000_000)
    seed: Seed = Field(default=42, description="Seed of the initial weights.")
    optimizer: Optimizer = Optimizer.model_validate({})
    dense: DenseNetwork = DenseNetwork()
    cross: CrossNetwork = CrossNetwork()

    @model_validator(mode="after")
    def _each_model_once(self) -> Self:
        if len(set(self.models)) < len(self.models):
            raise ValueError("`models` names a model twice")
        return self
