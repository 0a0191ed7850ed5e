"""A table of all types of columns, and a network trained on it."""

import pytest

from tests.conftest import Service

MIXED = "mixed"


def mixed() -> str:
    """As CSV: a number, a whole number, a boolean, a text and a code, some of them missing."""
    lines = ["area,rooms,garden,city,code,price"]
    for n in range(300):
        area = "" if n % 11 == 0 else f"{40 + n % 97}.5"
        city = "" if n % 7 == 0 else ("Oslo", "[b]Bergen")[n % 2]
        garden = "true" if n % 3 else "false"
        lines.append(f"{area},{n % 5},{garden},{city},{n % 4},{3 * (n % 97) + n % 5}")
    return "\n".join(lines)


@pytest.fixture(scope="session")
def of_mixed(service: Service) -> Service:
    """The service, once it has a network for that table."""
    parameters = {"target": "price", "categorical": "code"}
    path = f"/datasets/{MIXED}"
    put = service.client.put(path, params=parameters, content=mixed().encode())
    assert put.status_code in (200, 201), put.text
    few = {"models": ["cross"], "epochs": 2, "repeats": 1, "baselines": [], "promote": "always"}
    job = service.wait_for(service.train(dataset=MIXED, **few))
    assert job["status"] == "succeeded", job
    return service
