"""How the versions compare on live traffic while one of them is tried beside the one that serves.

Those who name a key are counted alone: the key decides who of them is answered by which.
"""

import math
from collections.abc import Iterable, Iterator

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from service.predict.canary import TrialAnswer
from service.registry.shapes import LiveRow
from service.telemetry.tally import Key, Tally

TRIAL = "trial"
SUMS = ("requests", "rows", "sum", "squares")
LABELS = ("dataset", "network", "version")


def count(tally: Tally, answers: Iterable[TrialAnswer], most: int) -> None:
    """Counts answers; of `most` networks, of which the ones that came first stay."""
    networks = {key[1:3] for key in tally.counts if key[0] == TRIAL}
    for (dataset, network, version), epoch, *numbers in answers:
        if (dataset, network) not in networks:
            if len(networks) >= most:
                continue
            networks.add((dataset, network))
        key: Key = (TRIAL, dataset, network, str(epoch), version)
        if (*key, "requests") not in tally.counts:
            _forget_others(tally, key)
        for name, number in zip(SUMS, (1, *numbers), strict=True):
            tally.add((*key, name), number)


def _forget_others(tally: Tally, begun: Key) -> None:
    """Drops what was counted of earlier trials of the same network."""
    for key in [key for key in tally.counts if key[:3] == begun[:3] and key[:4] != begun[:4]]:
        del tally.counts[key]


def rows(tally: Tally, dataset: str, network: str, epoch: int) -> list[LiveRow]:
    """What each version has answered since the change with this epoch, the older version first."""
    of_trial = (TRIAL, dataset, network, str(epoch))
    versions = {key[4] for key in tally.counts if key[:4] == of_trial}
    return [_row(tally, (*of_trial, version)) for version in sorted(versions, key=int)]


def _row(tally: Tally, key: Key) -> LiveRow:
    requests, number, total, squares = (tally.counts.get((*key, name), 0) for name in SUMS)
    mean = total / number
    variance = max(squares / number - mean * mean, 0.0)  # not a number stays so
    return LiveRow(
        version=int(key[4]),
        requests=int(requests),
        rows=int(number),
        mean=_told(mean),
        standard_deviation=_told(math.sqrt(variance)),
    )


def _told(number: float) -> float | None:
    return number if math.isfinite(number) else None


def metrics(tally: Tally) -> Iterator[Metric]:
    """The newest trial of each network."""
    requests = CounterMetricFamily(
        "crosscheck_trial_requests",
        "Requests with a key while a version is tried, by the version that answered.",
        labels=LABELS,
    )
    mean = GaugeMetricFamily(
        "crosscheck_trial_prediction_mean", "The mean of what it predicted.", labels=LABELS
    )
    deviation = GaugeMetricFamily(
        "crosscheck_trial_prediction_stddev",
        "The standard deviation of what it predicted.",
        labels=LABELS,
    )
    newest: dict[tuple[str, str], int] = {}
    for key in tally.counts:
        if key[0] == TRIAL:
            _, dataset, network, epoch = key[:4]
            newest[dataset, network] = max(int(epoch), newest.get((dataset, network), 0))
    for (dataset, network), began in sorted(newest.items()):
        for row in rows(tally, dataset, network, began):
            labels = [dataset, network, str(row.version)]
            requests.add_metric(labels, row.requests)
            if row.mean is not None and row.standard_deviation is not None:
                mean.add_metric(labels, row.mean)
                deviation.add_metric(labels, row.standard_deviation)
    yield from (requests, mean, deviation)
