"""The tables of the paper and of the tutorial, as one uploads them.

Wang et al., "DCN V2", arXiv 2008.13535, section 6; TensorFlow Recommenders, "Deep & Cross Network".
What the paper leaves open is said where it is chosen.
"""

import io
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import parquet

from benchmarks.real_tables import IN_WIDEDEEP, WIDEDEEP, movielens, packed

Numbers = NDArray[np.float64]

TARGET = "y"
NOISE = 0.01
"""Standard deviation of the noise in `orders`: no model's error is below it."""


def f1() -> bytes:
    """x1² + x1 x2 + x3 x1 + x4 x1: one feature with each."""
    x = uniform(10_000, 4)
    return written(x, x[0] ** 2 + x[0] * x[1] + x[2] * x[0] + x[3] * x[0])


def f2() -> bytes:
    """x1² + 0.1 x1 x2 + x2 x3 + 0.1 x3²."""
    x = uniform(10_000, 3)
    return written(x, x[0] ** 2 + 0.1 * x[0] * x[1] + x[1] * x[2] + 0.1 * x[2] ** 2)


def f3() -> bytes:
    """100 different pairs of 100 features, drawn at random, each with the coefficient 1.

    Behind each row comes its mirror image. So the mean of each column is 0, as that of the
    distribution is, if training rows are the first ones in the order of `row`; if it were not,
    standardized features would call for a small linear part, which gradient descent is slow to
    find.
    """
    x = uniform(20_000, 100)
    x = np.stack([x, -x], axis=-1).reshape(100, -1)
    every = np.array(np.triu_indices(100, k=1)).T
    pairs = np.random.default_rng(3).choice(every, 100, replace=False)
    y = (x[pairs[:, 0]] * x[pairs[:, 1]]).sum(axis=0)
    return written(x, y, row=np.arange(len(y)))


def orders() -> bytes:
    """A linear part, 35 products of two to four features, a sine and noise.

    xᵀw + 20 products of two, 10 of three, 5 of four + 0.1 sin(2 xᵀw + 0.1) + 0.01 ε. Here there
    are 20 features, and all coefficients are drawn uniformly from [-1, 1] / √20. With fewer rows
    than these 200,000, five layers of 420 weights learn the noise, too.
    """
    features = 20
    x = uniform(200_000, features)
    draw = np.random.default_rng(4)

    def coefficients(number: int) -> Numbers:
        return np.asarray(draw.uniform(-1, 1, number) / features**0.5)

    line = coefficients(features) @ x
    y = line + 0.1 * np.sin(2 * line + 0.1) + NOISE * draw.normal(size=x.shape[1])
    for order, number in ((2, 20), (3, 10), (4, 5)):
        for coefficient in coefficients(number):
            y += coefficient * x[draw.choice(features, order, replace=False)].prod(axis=0)
    return written(x, y)


def toy() -> bytes:
    """How likely somebody is to buy a blender, by country, bananas and cookbooks bought."""
    draw = np.random.RandomState(42)
    rows = 100_000
    country, bananas, cookbooks = x = np.array(
        [draw.randint(values, size=rows) / values for values in (200, 24, 6)]
    )
    y = 0.1 * country + 0.4 * bananas + 0.7 * cookbooks
    y += 0.1 * country * bananas + 3.1 * bananas * cookbooks + 0.1 * cookbooks**2
    return written(x, y)


AGES = np.array([18, 25, 35, 45, 50, 56])
"""Where MovieLens begins another group of ages."""


def rated_movies() -> bytes:
    """MovieLens 100k with the six features of the tutorial, all of them categorical."""
    ratings = parquet.read_table(pa.BufferReader(movielens()))
    users = packed(
        WIDEDEEP,
        IN_WIDEDEEP + "MovieLens100k_users.parquet.brotli",
        "8ca382e9b1275d509687080c6c4751bbbb9aad871422e81bc8a98da73e158f7f",
    )
    zips = parquet.read_table(pa.BufferReader(users), columns=["user_id", "zip_code"])
    zip_of = dict(zip(*(column.to_pylist() for column in zips.columns), strict=True))
    group = np.searchsorted(AGES, ratings["age"].to_numpy(), side="right")
    columns = {name: ratings[name] for name in ("user_id", "movie_id", "gender", "occupation")}
    columns["zip_code"] = pa.array([zip_of[int(user.as_py())] for user in ratings["user_id"]])
    columns["age"] = pa.array([f"group {number}" for number in group])
    return file_of({**columns, "rating": ratings["rating"]})


def wide() -> bytes:
    """50,000 rows of ten numbers with a few products, a wave and noise: for the time of a job."""
    x = uniform(50_000, 10)
    noise = np.random.default_rng(5).normal(size=x.shape[1])
    y = x[:5].sum(axis=0) + x[0] * x[1] + x[2] * x[3] * x[4] + np.sin(3 * x[5]) + 0.1 * noise
    return written(x, y)


def uniform(rows: int, features: int) -> Numbers:
    """Numbers from [-1, 1], `(features, rows)`."""
    return np.random.default_rng(42).uniform(-1, 1, (features, rows))


def written(x: Numbers, y: Numbers, **others: NDArray[np.integer]) -> bytes:
    """A Parquet file of the columns `x1`, `x2`, …, the target, and others that are no features."""
    columns = {f"x{number}": values for number, values in enumerate(x, start=1)}
    return file_of({**columns, TARGET: y, **others})


def file_of(columns: Mapping[str, Any]) -> bytes:
    """A Parquet file of these columns."""
    file = io.BytesIO()
    parquet.write_table(pa.table(columns), file)
    return file.getvalue()
