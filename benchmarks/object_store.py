"""A store with many datasets: how long an API takes to start, to list and to promote; and how long
a promotion takes to every API of a fleet.

    python -m benchmarks.object_store [--datasets 1000] [--versions 100] [--apis 8]
"""

import argparse
import os
import tempfile
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import msgspec
from rich.console import Console

from benchmarks.servers import publish_truth
from models.config import ModelName
from service.registry.manifest import MANIFEST, METADATA
from service.registry.versions import Registry
from service.store.files import upload
from service.store.head import BUILT_IN, Dataset, Network, Revision, new_id, prefix
from service.store.places import Places, places
from service.store.tables import Manifest as OfTable
from service.store.versions import Manifest
from tests.conftest import Service, running
from tests.object_store import running_store
from tests.registry.versions import JOB, OTHER_JOB, metadata
from tests.tables.revisions import stored

NETWORK: ModelName = "cross"
BODY = {"instances": [[0, 0, 0]], "model": NETWORK}

tell = Console().print


def main() -> None:
    """Prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--datasets", type=int, default=1000)
    parser.add_argument("--versions", type=int, default=100)
    parser.add_argument("--apis", type=int, default=8)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        (folder / "objects").mkdir()
        store = stack.enter_context(running_store(folder / "objects"))
        os.environ.update(store.environment)
        url = store.url(str(uuid.uuid4()))
        where = places(folder / "first", url)
        for job_id in (JOB, OTHER_JOB):
            publish_truth(where.registry, job_id)
        begun = time.perf_counter()
        _fill(where, asked.datasets, asked.versions)
        took = time.perf_counter() - begun
        tell(f"{asked.datasets} datasets of {asked.versions} versions written in {took:.0f} s")
        _measure(stack, folder, url, asked.apis)


def _measure(stack: ExitStack, folder: Path, url: str, number: int) -> None:
    publish_truth(Registry(folder / "plain" / "artifacts"))
    for name, where in (("a folder with one version", ""), ("the store", url)):
        below = folder / ("api" if where else "plain")
        begun = time.perf_counter()
        first = _start(stack, below, where)
        tell(f"start until it predicts, {name}: {time.perf_counter() - begun:.2f} s")
    for path in (f"/models/d0007/{NETWORK}?limit=100", "/datasets?limit=100", "/serving?limit=100"):
        for again in ("", " again"):
            begun = time.perf_counter()
            first.client.get(path).raise_for_status()
            tell(f"GET {path}{again}: {time.perf_counter() - begun:.2f} s")
    others = [_start(stack, folder / f"api{n}", url) for n in range(number - 1)]
    for version in (1, 2, 1, 2):
        begun = time.perf_counter()
        path = f"/models/triples/{NETWORK}/serving"
        first.client.put(path, json={"version": version}).raise_for_status()
        took = time.perf_counter() - begun
        with ThreadPoolExecutor(number) as threads:
            list(threads.map(partial(_follow, version), (first, *others)))
        tell(f"promote: {took:.2f} s; all {number} APIs: {time.perf_counter() - begun:.2f} s")


def _follow(version: int, service: Service) -> None:
    service.until(lambda: service.client.post("/predict", json=BODY).json()["version"] == version)


def _start(stack: ExitStack, folder: Path, url: str) -> Service:
    folder.mkdir(exist_ok=True)
    settings = {"store_url": url, "access_log": "false"}
    service = stack.enter_context(running(folder, "--no-worker", **settings))
    service.until(lambda: service.client.post("/predict", json=BODY).is_success)
    return service


def _fill(where: Places, datasets: int, versions: int) -> None:
    """Writes the objects of datasets, of which all versions have the files of one that is real."""
    assert where.store is not None
    objects, folder = where.store.objects, where.registry.folder(NETWORK, 1)
    files = upload(objects, folder, f"datasets/triples/{BUILT_IN}/copied", {METADATA, MANIFEST})
    about = metadata(NETWORK).model_dump_json().encode()
    version = msgspec.json.encode(Manifest(msgspec.Raw(about), files))
    table = msgspec.Raw(stored(b"").model_dump_json().encode())
    known = where.store.refresh()
    made = dict(known.head.datasets)
    with ThreadPoolExecutor(16) as threads:
        for number in range(datasets):
            name, of = f"d{number:04}", Dataset(new_id(), (Revision(1, new_id()),))
            below = prefix(name, of)
            objects.put(
                f"{below}/tables/{of.revisions[0].id}/manifest.json",
                msgspec.json.encode(OfTable(table, [])),
            )
            keys = [f"{below}/{NETWORK}/{each + 1}.json" for each in range(versions)]
            list(threads.map(lambda key: objects.put(key, version), keys))
            network = Network(newest=versions, serving=versions)
            made[name] = msgspec.structs.replace(of, networks={NETWORK: network})
    head = msgspec.structs.replace(known.head, swaps=known.head.swaps + 1, datasets=made)
    assert where.store.swap(known, head)
    tell(f"the head has {len(msgspec.json.encode(head)) / 1000:.0f} kB")


if __name__ == "__main__":
    main()
