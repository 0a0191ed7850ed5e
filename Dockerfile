# Two images: `serve` answers requests and has no TensorFlow, `train` runs the worker.
#   docker build --target serve -t crosscheck-serve .
#   docker build --target train -t crosscheck-train .
# Run both with the same /artifacts volume; `serve` with CROSSCHECK_API_KEYS, or with
# CROSSCHECK_INSECURE=true where something in front lets nobody else in; without either it does not
# start. With CROSSCHECK_DATABASE_URL on several machines. deploy/ has examples.

FROM python:3.11-slim AS base
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    CROSSCHECK_HOST=0.0.0.0 CROSSCHECK_ARTIFACTS_DIR=/artifacts
WORKDIR /app
RUN useradd --uid 1000 crosscheck && install --directory --owner crosscheck /artifacts
COPY requirements-serve.lock requirements-train.lock pyproject.toml README.md ./
COPY models models
COPY service service
VOLUME /artifacts
STOPSIGNAL SIGTERM

FROM base AS serve
RUN pip install --no-cache-dir --require-hashes -r requirements-serve.lock \
 && pip install --no-cache-dir --no-deps .
USER 1000
EXPOSE 8000
HEALTHCHECK --start-period=10s CMD ["crosscheck", "health"]
ENV CROSSCHECK_WORKER=false
ENTRYPOINT ["crosscheck"]
CMD ["serve"]

FROM base AS train
RUN pip install --no-cache-dir --require-hashes -r requirements-train.lock \
 && pip install --no-cache-dir --no-deps .
USER 1000
ENTRYPOINT ["crosscheck"]
CMD ["worker"]
