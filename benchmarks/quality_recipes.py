"""Configs of the jobs of `benchmarks.quality`."""

from benchmarks.serving import Fields


def exact(*networks: str, **more: object) -> Fields:
    """Networks to the last bit, five times."""
    optimizer = {"name": "levenberg_marquardt"}
    return {"models": list(networks), "optimizer": optimizer, "repeats": 5, **more}


def dense(*hidden_units: int, **more: object) -> Fields:
    """A dense network alone, five times; the baselines are those of another job."""
    units = {"hidden_units": list(hidden_units)}
    return {"models": ["dense"], "dense": units, "repeats": 5, "baselines": [], **more}


def cross_layers(layers: int) -> Fields:
    """Cross layers for the noise floor: the best of four starts, whose steps shrink to nothing."""
    return {
        "models": ["cross"],
        "cross": {"layers": layers},
        "optimizer": {"name": "adam", "learning_rate": 0.02, "schedule": "cosine"},
        "batch_size": 1024,
        "epochs": 600 if layers > 2 else 150,
        "patience": None,
        "restarts": 4,
        "repeats": 1,
        "baselines": ["linear", "products"] if layers == 1 else [],
    }


F3 = {
    "models": ["cross"],
    "cross": {"layers": 1},
    "optimizer": {"name": "sgd", "learning_rate": 0.02},
    "batch_size": 32,
    "precision": "float64",
    "epochs": 600,
    "repeats": 5,
    "baselines": [],
}
"""Without noise the steps shrink by themselves: the error falls by the same part in each epoch."""

BEST: Fields = {"preset": "best"}
