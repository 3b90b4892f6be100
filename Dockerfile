# One image, four zones: ZONE selects what is mounted. The build stage has Poetry and compiles; the other has neither.
FROM python:3.13-slim-bookworm AS build
ENV POETRY_VIRTUALENVS_IN_PROJECT=true POETRY_NO_INTERACTION=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/poetry && /opt/poetry/bin/pip install poetry==2.5.1
WORKDIR /srv
COPY pyproject.toml poetry.lock ./
RUN /opt/poetry/bin/poetry sync --only main
COPY handlers handlers
COPY shared shared
COPY schemas schemas
# Bytecode is compiled once here, with unchecked hashes, so that a read-only root file system costs no start-up time.
RUN .venv/bin/python -m compileall -q --invalidation-mode unchecked-hash .venv handlers shared

FROM python:3.13-slim-bookworm
LABEL org.opencontainers.image.title="starvit-events" \
      org.opencontainers.image.description="FHIR changes from Medplum to de-identified analytics rows" \
      org.opencontainers.image.licenses="Apache-2.0"
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin starvit
WORKDIR /srv
COPY --from=build --chown=root:root /srv /srv
USER 10001
ENV PATH=/srv/.venv/bin:$PATH PYTHONPATH=/srv PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PORT=8080
EXPOSE 8080
STOPSIGNAL SIGTERM
# gunicorn with the Uvicorn worker, never --reload; exec form, so that SIGTERM reaches it.
CMD ["gunicorn", "-c", "python:handlers.server", "handlers.app:create_app()"]
