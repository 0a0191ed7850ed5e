"""`/monitoring/prometheus/metrics`: what Prometheus scrapes, where TensorFlow Serving has it."""

from fastapi import APIRouter, Request, Response

from service.telemetry.scrape import CONTENT_TYPE, Scrape

router = APIRouter(tags=["metrics"])

DOCUMENTED = {"content": {"text/plain": {"schema": {"type": "string"}}}}


async def answer(request: Request) -> Response:
    """The metrics of all API processes in Prometheus's text format."""
    scrape: Scrape = request.app.state.scrape
    headers = {"Content-Type": CONTENT_TYPE, "Vary": "Accept"}
    return Response(await scrape.text(), headers=headers)


@router.get("/monitoring/prometheus/metrics", response_class=Response, responses={200: DOCUMENTED})
async def scrape(request: Request) -> Response:
    """The metrics of all API processes, in Prometheus's text format."""
    return await answer(request)
