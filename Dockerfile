# One image, four zones: ZONE selects what is mounted.
#
#   build   Poetry, a compiler's worth of Debian, the locked packages, bytecode ─► /image, /srv
#   final   from scratch: Python, the libraries that it loads, the packages, the service. No shell, no pip, no apt.
#
# BASE is a tag here and a digest in every build that is deployed: .ci/image resolves it, and the label keeps it.
ARG BASE=docker.io/library/python:3.13-slim-trixie

FROM ${BASE} AS build
# Where packages come from: PyPI, unless a build names a mirror of it. poetry.lock has the hashes and names no host.
ARG POETRY_PYPI_MIRROR_URL=
ENV POETRY_VIRTUALENVS_IN_PROJECT=true POETRY_NO_INTERACTION=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python3 -m venv /opt/poetry \
 && /opt/poetry/bin/pip install --no-cache-dir poetry==2.5.1 poetry-plugin-pypi-mirror==0.6.5
WORKDIR /srv
COPY pyproject.toml poetry.lock ./
# Only what the service imports, into an environment without pip. Hashes are unchecked: nothing is written after this, and
# a read-only root file system then costs no start-up time.
RUN python3 -m venv --without-pip .venv \
 && /opt/poetry/bin/poetry sync --only main --no-cache \
 && .venv/bin/python -m compileall -q -j0 --invalidation-mode unchecked-hash .venv
COPY handlers handlers
COPY shared shared
COPY schemas schemas
COPY docs/runbook.md docs/runbook.md
ARG VERSION=0
RUN mv handlers/release /opt/release \
 && .venv/bin/python -m compileall -q -j0 --invalidation-mode unchecked-hash handlers shared \
 && python3 /opt/release/root.py /image /srv/.venv \
 && python3 /opt/release/sbom.py /image /srv/.venv "${VERSION}" \
 && mkdir /app && mv handlers shared schemas docs pyproject.toml /app

FROM scratch
ARG BASE VERSION=0 REVISION=unknown
LABEL org.opencontainers.image.title="starvit-events" \
      org.opencontainers.image.description="FHIR changes from Medplum to de-identified analytics rows" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.base.name="${BASE}"
# What seldom changes first: a deployment of new code sends its last layer alone. All of it is root's, and read-only.
COPY --from=build /image /
COPY --from=build /srv/.venv /srv/.venv
COPY --from=build /app /srv
WORKDIR /srv
USER 10001:10001
ENV PATH=/srv/.venv/bin:/usr/local/bin PYTHONPATH=/srv PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    LANG=C.UTF-8 SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt PORT=8080
EXPOSE 8080
STOPSIGNAL SIGTERM
# Exec form, so that SIGTERM reaches gunicorn, the first process. No HEALTHCHECK: Cloud Run has probes (service.yaml).
CMD ["/srv/.venv/bin/python", "-m", "gunicorn", "-c", "python:handlers.server", "handlers.app:create_app()"]
