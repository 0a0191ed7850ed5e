"""What training costs, against Keras's own loop in the same run.

    python -m benchmarks.training [--quick] [--json FILE]
    python -m benchmarks.training --seeds [--json FILE]

Every run is a fresh process, so that none finds what another has compiled or warmed up.
"""

import json
import os
import resource
import tempfile
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from itertools import pairwise
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import Annotated, Any, NamedTuple, TypeVar

import httpx
import typer
from rich.console import Console

from benchmarks.table import table
from models.config import MODEL_NAMES, ModelName, SyntheticDataset, TrainConfig

T = TypeVar("T")

Fields = dict[str, Any]

SAME_WORK: Fields = {"seed": 2, "max_restarts": 0}
"""The experiment from a seed whose dense network lives: the updates of the plain recipe."""

BEST: Fields = {"preset": "best"}

SIZES = (100_000, 1_000_000, 10_000_000)
TIMED_EPOCHS = 5

SEEDS = range(20)
SEEDS_APART = range(1000, 6000, 1000)

WIDTHS = ([3, 3, 3], [64, 64], [256, 256, 256])
BATCH = 1000
PRODUCTS = 300

POLLING_SECONDS = 0.02

console = Console(highlight=False)


class Exact(NamedTuple):
    """What the exact trainer needed, and how good it is."""

    seconds: float
    eval_rmse: float


class Growth(NamedTuple):
    """Of one size: seconds for an epoch of both networks, and the most memory in use."""

    epoch_seconds: float
    peak_bytes: int


def main(
    quick: Annotated[bool, typer.Option("--quick", help="One run of each.")] = False,
    seeds: Annotated[bool, typer.Option("--seeds", help="How results vary with the seed.")] = False,
    to: Annotated[Path | None, typer.Option("--json", help="Where to write the figures.")] = None,
) -> None:
    """Measure training against `keras.Model.fit`."""
    # As in the worker: before the children import TensorFlow and NumPy.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    load_before = os.getloadavg()
    figures = measure_seeds() if seeds else measure(runs=1 if quick else 3)
    figures["machine"] = {
        "cpus": os.cpu_count(),
        "load_before": load_before,
        "load_after": os.getloadavg(),
    }
    text = json.dumps(figures, indent=2)
    if to is None:
        typer.echo(text)
    else:
        to.write_text(text + "\n")


def measure(runs: int) -> Fields:
    """Prints the table of times; returns its figures."""
    # Interleaved, so that what else the machine does weighs on all alike.
    plain, cold, warm = [], [], []
    for _ in range(runs):
        plain.append(in_fresh_process(plain_recipe))
        with tempfile.TemporaryDirectory() as cache:
            cold.append(in_fresh_process(our_fits, Path(cache)))
            warm.append(in_fresh_process(our_fits, Path(cache)))
    jobs = whole_jobs(runs)
    exact = {
        name: [in_fresh_process(fit_exactly, name) for _ in range(runs)] for name in MODEL_NAMES
    }
    wide = measure_widths(runs)
    growth = {size: [in_fresh_process(grow, size) for _ in range(runs)] for size in SIZES}

    baseline = median(plain)
    times = table("100 epochs of 90,000 rows, both networks", "seconds", "faster than Keras by")
    for what, seconds in (
        ("keras.Model.fit", plain),
        ("ours, nothing compiled before", cold),
        ("ours, compiled before", warm),
        ("the whole job over HTTP", jobs),
    ):
        times.add_row(what, f"{median(seconds):.3f}", f"{baseline / median(seconds):.1f}×")
    console.print(times)

    exactly = table('preset "best", nothing compiled before', "seconds", "eval RMSE")
    for name, results in exact.items():
        exactly.add_row(
            name,
            f"{median(result.seconds for result in results):.2f}",
            f"{results[0].eval_rmse:.4g}",
        )
    console.print(exactly)

    epoch = {size: median(one.epoch_seconds for one in ones) for size, ones in growth.items()}
    per_row = {size: epoch[size] / size / (epoch[SIZES[0]] / SIZES[0]) for size in SIZES}
    peak = {size: median(one.peak_bytes for one in ones) for size, ones in growth.items()}
    growing = table("rows", "seconds an epoch", "time a row", "peak memory", "beyond the smallest")
    for size in SIZES:
        growing.add_row(
            f"{size:,}",
            f"{epoch[size]:.4f}",
            f"{per_row[size]:.2f}×",
            f"{peak[size] / 2**20:,.0f} MiB",
            f"{(peak[size] - peak[SIZES[0]]) / (size - SIZES[0] or 1):.0f} B a row",
        )
    console.print(growing)

    return {
        "keras_fit_seconds": plain,
        "ours_cold_seconds": cold,
        "ours_warm_seconds": warm,
        "job_over_http_seconds": jobs,
        "faster_than_keras": {
            "ours_cold": baseline / median(cold),
            "ours_warm": baseline / median(warm),
            "job_over_http": baseline / median(jobs),
        },
        "exact": {name: [one._asdict() for one in ones] for name, ones in exact.items()},
        "wide": wide,
        "growth": {
            size: {
                "epoch_seconds": epoch[size],
                "time_a_row": per_row[size],
                "peak_bytes": peak[size],
            }
            for size in SIZES
        },
    }


def measure_widths(runs: int) -> Fields:
    """Prints how fast epochs are beside those of Keras compiled, and beside bare products.

    The last columns say how much of the rate at which each library multiplies is reached.
    """
    seconds: dict[str, dict[str, list[float]]] = {}
    for units in WIDTHS * runs:
        of_width = seconds.setdefault(f"{len(units)} × {units[0]}", {"fit": [], "ours": []})
        of_width["fit"].append(in_fresh_process(compiled_fit, units))
        of_width["ours"].append(in_fresh_process(our_epoch, units))
    flops = {
        "XLA": median(in_fresh_process(xla_products) for _ in range(runs)),
        "OpenBLAS": median(in_fresh_process(openblas_products) for _ in range(runs)),
    }

    times = table("epoch of hidden units", "compiled fit", "ours", "faster by", "GFLOP/s", *flops)
    figures: Fields = {"product_flops": flops}
    for width, units in zip(seconds, WIDTHS, strict=True):
        fit, ours = (median(seconds[width][whose]) for whose in ("fit", "ours"))
        rate = epoch_flops(units) / ours
        of_products = {library: rate / most for library, most in flops.items()}
        times.add_row(
            width,
            f"{fit:.4f}",
            f"{ours:.4f}",
            f"{fit / ours:.2f}×",
            f"{rate / 1e9:.0f}",
            *(f"{part:.0%}" for part in of_products.values()),
        )
        figures[width] = {**seconds[width], "faster": fit / ours, "of_products": of_products}
    console.print(times)
    return figures


def measure_seeds() -> Fields:
    """Prints how the results vary with the seed; returns the eval RMSE of every seed."""
    cases: list[tuple[str, ModelName, Fields, Iterable[int]]] = [
        ("cross, best", "cross", BEST, SEEDS),
        ("dense, default", "dense", {}, SEEDS),
        # Neighbouring seeds share most of their 40 starts; these share none.
        ("dense, best, 1000 apart", "dense", BEST, SEEDS_APART),
        ("dense, best", "dense", BEST, SEEDS),
    ]
    half_as_good = in_fresh_process(mean_predictor_rmse) / 2
    summary = table("eval RMSE", "seeds", "median", "max", "worse than half the mean predictor's")
    figures: Fields = {"half_of_mean_predictor": half_as_good}
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        running = {
            case: {seed: pool.submit(eval_rmse, name, {**fields, "seed": seed}) for seed in seeds}
            for case, name, fields, seeds in cases
        }
        for case, by_seed in running.items():
            rmse = {seed: future.result() for seed, future in by_seed.items()}
            bad = sum(not one < half_as_good for one in rmse.values())
            summary.add_row(
                case,
                str(len(rmse)),
                f"{median(rmse.values()):.4g}",
                f"{max(rmse.values()):.4g}",
                str(bad),
            )
            figures[case] = rmse
    console.print(summary)
    return figures


def in_fresh_process(function: Callable[..., T], *arguments: Any) -> T:
    """What `function` returns in a process that has done nothing before."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def plain_recipe() -> float:
    """Seconds of both fits as one would write them with Keras."""
    import keras
    import tensorflow as tf

    class Cross(keras.Model):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.affine = keras.layers.Dense(3)
            self.output_unit = keras.layers.Dense(1)

        def call(self, x: Any) -> Any:
            return self.output_unit(x * self.affine(x) + x)

    dense = keras.Sequential(
        [*(keras.layers.Dense(3, activation="relu") for _ in range(3)), keras.layers.Dense(1)]
    )
    config = TrainConfig()
    rows = _dataset(config).train
    batches = tf.data.Dataset.from_tensor_slices(tuple(rows)).batch(config.batch_size)
    seconds = 0.0
    for network in (dense, Cross()):
        network.compile(loss="mse", optimizer=keras.optimizers.Adagrad(0.4))
        started = time.perf_counter()
        network.fit(batches, epochs=config.epochs, shuffle=False, verbose=0)
        seconds += time.perf_counter() - started
    return seconds


def our_fits(cache: Path) -> float:
    """Seconds of both fits as a job does them, tracing and compiling included."""
    import tensorflow

    from models.training import train
    from service.jobs import compile_cache

    config = TrainConfig.model_validate(SAME_WORK)
    rows = _dataset(config).train
    enabled = compile_cache.enable(cache, tensorflow.__version__)
    assert enabled is not None
    started = time.perf_counter()
    for name in MODEL_NAMES:
        trained = train(name, rows, config)
        assert len(trained.losses) == config.epochs
    seconds = time.perf_counter() - started
    compile_cache.record(enabled)
    return seconds


def whole_jobs(runs: int) -> list[float]:
    """Seconds from `POST /train` until `GET /metrics` shows both versions serving."""
    from tests.conftest import running

    with tempfile.TemporaryDirectory() as folder, running(Path(folder)) as service:
        warm_up, *seconds = (whole_job(service.client) for _ in range(runs + 1))
    del warm_up  # it waited for the worker to start, and for the compiler
    return seconds


def whole_job(client: httpx.Client) -> float:
    """Seconds of one job on a running service."""
    started = time.perf_counter()
    job_id = client.post("/train", json=SAME_WORK).raise_for_status().json()["id"]
    while not serves_both(client, job_id):
        assert client.get(f"/jobs/{job_id}").json()["status"] not in ("failed", "cancelled")
        time.sleep(POLLING_SECONDS)
    return time.perf_counter() - started


def serves_both(client: httpx.Client, job_id: str) -> bool:
    """Whether the serving versions are those of this job."""
    rows = client.get("/metrics").raise_for_status().json()["models"]
    return all(rows.get(name, {}).get("job_id") == job_id for name in MODEL_NAMES)


def fit_exactly(name: ModelName) -> Exact:
    """Levenberg–Marquardt from scratch."""
    from models.training import train

    config = TrainConfig.model_validate(BEST)
    dataset = _dataset(config)
    started = time.perf_counter()
    trained = train(name, dataset.train, config)
    return Exact(time.perf_counter() - started, score(trained.network, dataset))


def grow(size: int) -> Growth:
    """Trains both networks on `size` rows; does not count the first epoch, which compiles."""
    from models.training import train

    config = TrainConfig.model_validate(
        {**SAME_WORK, "dataset": {"size": size}, "epochs": TIMED_EPOCHS + 1}
    )
    rows = _dataset(config).train
    seconds = 0.0
    for name in MODEL_NAMES:
        ends: list[float] = []
        train(name, rows, config, lambda *_, ends=ends: ends.append(time.perf_counter()))
        seconds += median(later - earlier for earlier, later in pairwise(ends))
    return Growth(seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)


def of_width(units: list[int]) -> TrainConfig:
    """A dense network of such layers, trained by Adam."""
    return TrainConfig.model_validate(
        {
            "models": ["dense"],
            "dense": {"hidden_units": units},
            "optimizer": {"name": "adam"},
            "batch_size": BATCH,
            "epochs": TIMED_EPOCHS + 1,
            "max_restarts": 0,
        }
    )


def epoch_flops(units: list[int]) -> int:
    """What the matrix products of an epoch of the dense network multiply and add."""
    layers = list(pairwise([3, *units, 1]))
    weights = sum(inputs * outputs for inputs, outputs in layers)
    # Forwards, and backwards to the weights and to the inputs; nothing asks for those of the rows.
    of_row = 2 * (3 * weights - layers[0][0] * layers[0][1])
    return of_row * (SyntheticDataset().train_size // BATCH * BATCH)


def our_epoch(units: list[int]) -> float:
    """Seconds of one of our epochs, compiled."""
    from models.training import train

    config = of_width(units)
    ends: list[float] = []
    train("dense", _dataset(config).train, config, lambda *_: ends.append(time.perf_counter()))
    return median(later - earlier for earlier, later in pairwise(ends))


def compiled_fit(units: list[int]) -> float:
    """Seconds of an epoch by `fit` at its best: compiled, pre-batched, one call for all batches."""
    import keras
    import tensorflow as tf

    from models.networks import build

    config = of_width(units)
    features, targets = _dataset(config).train
    batches = len(targets) // BATCH
    rows = tf.data.Dataset.from_tensor_slices(
        (
            features.astype("float32").reshape(batches, BATCH, -1),
            targets.astype("float32").reshape(batches, BATCH, 1),
        )
    )
    network = build("dense", config, config.seed)
    network.compile(loss="mse", optimizer="adam", jit_compile=True, steps_per_execution=batches)
    ends: list[float] = []
    clock = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: ends.append(time.perf_counter())
    )
    network.fit(rows, epochs=config.epochs, shuffle=False, verbose=0, callbacks=[clock])
    return median(later - earlier for earlier, later in pairwise(ends))


def xla_products() -> float:
    """Floating-point operations a second of a layer's three products, in one compiled loop."""
    import tensorflow as tf

    width = WIDTHS[-1][-1]

    @tf.function(jit_compile=True, autograph=False)  # type: ignore[untyped-decorator]
    def multiply(kernel: Any, x: Any) -> Any:
        def body(done: Any, kernel: Any, x: Any) -> Any:
            forwards = tf.matmul(kernel, x, transpose_a=True)
            backwards = tf.matmul(kernel, forwards)
            return done + 1, tf.matmul(x, forwards, transpose_b=True), backwards

        return tf.while_loop(lambda done, *_: done < PRODUCTS // 3, body, (0, kernel, x))

    matrices = tf.zeros((width, width)), tf.zeros((width, BATCH))

    def wait() -> None:
        multiply(*matrices)[1].numpy()

    return PRODUCTS * 2 * BATCH * width**2 / best_of_three(wait)


def openblas_products() -> float:
    """Floating-point operations a second of NumPy's products, on all processors."""
    os.environ["OPENBLAS_NUM_THREADS"] = str(os.cpu_count())
    import numpy as np

    width = WIDTHS[-1][-1]
    kernel, x = np.zeros((width, width), np.float32), np.zeros((width, BATCH), np.float32)

    def multiply() -> None:
        for _ in range(PRODUCTS):
            np.matmul(kernel, x)

    return PRODUCTS * 2 * BATCH * width**2 / best_of_three(multiply)


def best_of_three(function: Callable[[], object]) -> float:
    """The fewest seconds that `function` needs, once it is warm."""
    function()
    seconds = []
    for _ in range(3):
        started = time.perf_counter()
        function()
        seconds.append(time.perf_counter() - started)
    return min(seconds)


def eval_rmse(name: ModelName, fields: Fields) -> float:
    """The eval RMSE that a config ends with."""
    from models.training import train

    config = TrainConfig.model_validate(fields)
    dataset = _dataset(config)
    return score(train(name, dataset.train, config).network, dataset)


def _dataset(config: TrainConfig) -> Any:
    from models.data import load

    assert isinstance(config.dataset, SyntheticDataset)
    return load(config.dataset)


def score(network: Any, dataset: Any) -> float:
    """The eval RMSE of a trained network."""
    from models.evaluation import evaluate
    from models.networks import predict

    return evaluate(lambda features: predict(network, features), dataset).scores["eval_rmse"]


def mean_predictor_rmse() -> float:
    """The eval RMSE of the mean predictor."""
    from models.data import load
    from models.evaluation import evaluate, mean_of_triples

    dataset = load(SyntheticDataset())
    return evaluate(mean_of_triples(dataset), dataset).scores["eval_rmse"]


if __name__ == "__main__":
    typer.run(main)
