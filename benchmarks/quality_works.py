"""What the service is to reach, and on what: the works of `benchmarks.quality`."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from benchmarks import papers
from benchmarks.quality_recipes import BEST, F3, cross_layers, dense, exact
from benchmarks.real_tables import RealTable, adult, california_housing, diamonds
from benchmarks.serving import Fields

Means = Mapping[str, Mapping[str, float]]
"""The mean over the splits of each score of each row; `best` is the network that does best on the
validation rows. `job` has the seconds of the slowest job."""


class Goal(NamedTuple):
    """What is to be reached, in words and as a function."""

    said: str
    reached: Callable[[Means], bool]


class Work(NamedTuple):
    """A table, the jobs that are to be done on it, and what is to come of them."""

    name: str
    title: str
    goals: tuple[Goal, ...]
    table: RealTable | None = None
    """None: the triples."""
    recipes: Mapping[str, Fields] = {"": {}}
    """Of each job its label, which is put behind its networks' names, and its config."""
    split: Mapping[str, str] = {}
    """How rows are split, beside the seed."""
    splits: int = 5
    score: str = "test_rmse"
    """What is shown."""
    published: Mapping[str, str] = {}
    """What others report, by the names of our rows."""


def at_most(row: str, bound: float, score: str = "test_rmse") -> Goal:
    """A row's score is at most so large."""
    return Goal(f"{row} ≤ {bound:g}", lambda of: of[row][score] <= bound)


def near_trees(said: str, part: float = 1.0) -> Goal:
    """The best network's RMSE is at most such a part of the trees'."""
    return Goal(said, lambda of: of["best"]["test_rmse"] <= part * of["trees"]["test_rmse"])


def as_accurate_as_trees(said: str, less: float = 0.0) -> Goal:
    """The best network's accuracy is at most so much below the trees'."""
    return Goal(said, lambda of: of["best"]["test_accuracy"] >= of["trees"]["test_accuracy"] - less)


def _synthetic(name: str, read: Callable[[], bytes], **parameters: str) -> RealTable:
    return RealTable(name, {"target": papers.TARGET, **parameters}, read)


def _first_table(name: str, bound: float, small: int, published: tuple[str, str, str]) -> Work:
    rows = ("cross", f"dense, {small}", "dense, large")
    return Work(
        f"paper-{name}",
        f"Table 1 of the paper, {name}",
        (at_most("cross", bound),),
        _synthetic(name, getattr(papers, name)),
        {
            "": exact("cross", cross={"layers": 1}),
            f"{small}": exact("dense", dense={"hidden_units": [small]}, restarts=20, baselines=[]),
            "large": dense(200, 200),
        },
        splits=1,
        published=dict(zip(rows, published, strict=True)),
    )


WORKS = (
    Work(
        "seed",
        "The experiment's data, preset `best`",
        (
            at_most("products", 1e-14, "eval_rmse"),
            at_most("cross", 1e-14, "eval_rmse"),
        ),
        recipes={"": {"preset": "best"}},
        splits=1,
        score="eval_rmse",
    ),
    _first_table("f1", 5.1e-13, 4, ("5.1e-13", "2.7e-2", "4.7e-3")),
    _first_table("f2", 4.5e-15, 3, ("4.5e-15", "3.0e-2", "1.4e-3")),
    Work(
        "paper-f3",
        "Table 1 of the paper, f3",
        (at_most("cross", 6.7e-7),),
        _synthetic("f3", papers.f3, exclude="row"),
        {
            "": F3,
            "100": dense(100, epochs=100),
            "large": dense(590, 590, 590, repeats=1, epochs=30, patience=3),
        },
        split={"split_by": "row"},
        splits=1,
        published={"cross": "6.7e-7", "dense, 100": "2.7e-1", "dense, large": "7.8e-2"},
    ),
    Work(
        "paper-orders",
        "Table 2 of the paper",
        tuple(at_most(f"cross, {n} layers", 1.02 * papers.NOISE) for n in (3, 4, 5)),
        _synthetic("orders", papers.orders),
        {
            **{f"{n} layer{'s' * (n > 1)}": cross_layers(n) for n in range(1, 6)},
            "": dense(200, 200, repeats=1, epochs=30, batch_size=1024),
        },
        splits=1,
        published={
            "cross, 1 layer": "1.43e-1",
            "cross, 2 layers": "2.89e-2",
            "cross, 3 layers": "9.82e-3",
            "cross, 4 layers": "9.87e-3",
            "cross, 5 layers": "9.92e-3",
            "dense": "1.03e-1",
        },
    ),
    Work(
        "toy",
        "The tutorial's toy example",
        (at_most("cross", 1e-4),),
        _synthetic("toy", papers.toy),
        {
            "": exact("cross", cross={"layers": 1}, repeats=1),
            "512, 256, 128": dense(512, 256, 128, repeats=1, epochs=30),
        },
        published={"cross": "0.0001", "dense, 512, 256, 128": "0.0933"},
    ),
    Work(
        "movielens",
        "MovieLens 100k, the tutorial's features",
        (at_most("best", 0.925),),
        RealTable("tutorial", {"target": "rating"}, papers.rated_movies),
        {"": BEST},
        published={
            "biases": "0.944",
            "dense": "0.9350 ± 0.0032",
            "deep_cross": "0.9326 ± 0.0015",
        },
    ),
    Work(
        "diamonds",
        "Diamonds",
        (near_trees("best ≤ trees"),),
        RealTable("diamonds", {"target": "price"}, diamonds),
        {"": BEST},
    ),
    Work(
        "adult",
        "Adult",
        (
            as_accurate_as_trees("accuracy of the best within 0.002 of that of trees", 0.002),
            as_accurate_as_trees("accuracy of the best ≥ that of trees"),
        ),
        RealTable("adult", {"target": "income", "missing": "?"}, adult),
        {"": BEST},
        score="test_accuracy",
    ),
    Work(
        "california",
        "California housing",
        (near_trees("best ≤ trees + 5%", 1.05), near_trees("best ≤ trees")),
        RealTable("california", {"target": "MedHouseVal"}, california_housing),
        {"": BEST},
    ),
    Work(
        "time",
        "50,000 rows of 10 columns, the recipe for tables with 5 repeats",
        (Goal("at most 90 seconds on two cores", lambda of: of["job"]["seconds"] <= 90),),
        _synthetic("wide", papers.wide),
        {"": {"repeats": 5}},
        splits=1,
    ),
    Work(
        "twice",
        "The same request twice",
        (
            Goal(
                "the same figures to the last digit",
                lambda of: all(
                    of[f"{name}, first"] == of[f"{name}, again"] for name in ("dense", "cross")
                ),
            ),
        ),
        _synthetic("f1", papers.f1),
        {label: {"repeats": 2} for label in ("first", "again")},
        splits=1,
    ),
)
