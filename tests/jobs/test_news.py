import asyncio
from typing import Any

import pytest

from service.jobs.news import News

pytestmark = pytest.mark.anyio


async def test_while_the_database_hangs_later_news_take_the_place_of_earlier_ones() -> None:
    kept: list[tuple[str, Any]] = []
    asked, answers = asyncio.Event(), asyncio.Event()

    async def keep(kind: str, told: Any) -> None:
        asked.set()
        await answers.wait()
        kept.append((kind, told))

    news = News(keep)
    news.tell("progress", 1)
    await asked.wait()
    for told in range(2, 1000):
        news.tell("progress", told)
        news.tell("losses", told)
    answers.set()
    await news.end()
    assert kept == [("progress", 1), ("progress", 999), ("losses", 999)]


async def test_the_end_comes_also_where_nothing_was_told() -> None:
    async def keep(kind: str, told: Any) -> None:
        raise AssertionError

    await News(keep).end()
