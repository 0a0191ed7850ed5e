import os
from pathlib import Path

import pytest

from service.jobs import cpus


@pytest.fixture(autouse=True)
def eight(monkeypatch: pytest.MonkeyPatch) -> None:
    """This process may run on eight processors."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))


def machine(root: Path, groups: str, **limits: str) -> Path:
    """A root with these control groups of the process; a limit's name is `mount/path/file`."""
    files = {"proc/self/cgroup": groups} | {
        f"sys/fs/cgroup/{name}": limit for name, limit in limits.items()
    }
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content)
    return root


V1 = "4:memory:/a/b\n3:cpu,cpuacct:/a/b\n1:name=systemd:/a/b\n"


def v1(group: str, quota: int, period: int = 100_000) -> dict[str, str]:
    return {f"{group}/cpu.cfs_quota_us": f"{quota}\n", f"{group}/cpu.cfs_period_us": f"{period}\n"}


@pytest.mark.parametrize(
    ("groups", "limits", "expected"),
    [
        ("0::/\n", {}, 8),
        ("0::/\n", {"cpu.max": "max 100000\n"}, 8),
        ("0::/\n", {"cpu.max": "200000 100000\n"}, 2),
        ("0::/\n", {"cpu.max": "150000 100000\n"}, 2),
        ("0::/\n", {"cpu.max": "1000 100000\n"}, 1),
        ("0::/\n", {"cpu.max": "6400000 100000\n"}, 8),
        ("0::/a/b\n", {"a/b/cpu.max": "300000 100000\n"}, 3),
        ("0::/a/b\n", {"a/b/cpu.max": "300000 100000", "a/cpu.max": "200000 100000"}, 2),
        ("0::/a/b\n", {"a/b/cpu.max": "max 100000", "a/cpu.max": "200000 100000"}, 2),
        ("0::/outside/our/own\n", {"cpu.max": "200000 100000\n"}, 2),
        ("0::/../../other\n", {"cpu.max": "200000 100000\n"}, 2),
        ("0::/a:b\n", {"a:b/cpu.max": "200000 100000\n"}, 2),
        ("0::/another\n", {"a/cpu.max": "100000 100000\n"}, 8),
        (V1, v1("cpu,cpuacct/a/b", -1), 8),
        (V1, v1("cpu,cpuacct/a/b", 250_000), 3),
        (V1, v1("cpu/a/b", 50_000, 50_000), 1),
        (V1, v1("cpu,cpuacct/a", 200_000), 2),
        (V1, v1("cpu", 200_000), 2),
        (V1 + "0::/a\n", {"unified/a/cpu.max": "200000 100000"}, 2),
        (V1 + "0::/c\n", v1("cpu/c", 200_000), 8),
        ("5:cpuset:/a\n", v1("cpu/a", 200_000), 8),
        ("nonsense\n", {}, 8),
        ("", {"cpu.max": "200000 100000"}, 8),
        ("0::/\n", {"cpu.max": ""}, 8),
        ("0::/\n", {"cpu.max": "many 100000"}, 8),
        ("0::/\n", {"cpu.max": "100000 0"}, 8),
        ("0::/\n", {"cpu.max/folder": ""}, 8),
    ],
)
def test_the_least_that_a_group_around_the_process_grants_counts(
    tmp_path: Path, groups: str, limits: dict[str, str], expected: int
) -> None:
    assert cpus.usable(machine(tmp_path, groups, **limits)) == expected


def test_without_control_groups_the_affinity_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cpus.usable(tmp_path) == 8
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {5})
    assert cpus.usable(tmp_path) == 1


def test_where_there_is_no_affinity_all_processors_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert cpus.usable(tmp_path) == 1
