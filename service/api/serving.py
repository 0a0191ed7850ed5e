"""`/serving`: what answers in each dataset."""

from typing import Annotated

from fastapi import APIRouter, Query, Request

from models.schema import DatasetName
from service.predict.answers import AnsweringDatasets, Answers

router = APIRouter(tags=["models"])


@router.get("/serving")
async def list_serving(
    request: Request,
    q: Annotated[str, Query(max_length=64, description="A part of the names.")] = "",
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
    cursor: DatasetName | None = None,
) -> AnsweringDatasets:
    """The datasets by name, and what answers in each of them."""
    answers: Answers = request.app.state.answers
    return await answers.page(q, cursor, limit)
