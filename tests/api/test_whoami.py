"""What a key may do, as the page asks for it."""

from collections.abc import Iterator

import pytest

from tests.conftest import Service, running

KEYS = {role: f"a-key-that-has-the-role-{role}" for role in ("predict", "train", "admin")}


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    keys = " ".join(f"a-{role}:{role}:{key}" for role, key in KEYS.items())
    with running(tmp_path_factory.mktemp("locked"), "--no-worker", api_keys=keys) as service:
        yield service


@pytest.mark.parametrize("role", KEYS)
def test_a_key_is_told_its_name_and_role(locked: Service, role: str) -> None:
    for headers in ({"X-API-Key": KEYS[role]}, {"Authorization": f"Bearer {KEYS[role]}"}):
        said = locked.client.get("/whoami", headers=headers).json()
        assert said == {"needs_key": True, "key": f"a-{role}", "role": role}


@pytest.mark.parametrize("headers", [{}, {"X-API-Key": "not-a-key-at-all"}, {"X-API-Key": ""}])
def test_who_has_no_key_of_ours_is_told_that_one_is_needed(
    locked: Service, headers: dict[str, str]
) -> None:
    answer = locked.client.get("/whoami", headers=headers)
    assert answer.status_code == 200
    assert answer.json() == {"needs_key": True, "key": None, "role": None}


def test_where_no_key_is_needed_everybody_may_do_everything(service: Service) -> None:
    assert service.get("/whoami") == {"needs_key": False, "key": None, "role": "admin"}
