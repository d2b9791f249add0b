# syntax=docker/dockerfile:1
# One image for every role: `guilder serve`, `work`, `schedule`, `relay`, `migrate`. docs/operations/docker.md explains it.

# The tests run on this Python. A release names it by digest: --build-arg PYTHON=python:3.11-slim-bookworm@sha256:…
ARG PYTHON=python:3.11-slim-bookworm

# ---- what is installed, from the lock alone ----
FROM ${PYTHON} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore PYTHONDONTWRITEBYTECODE=1
WORKDIR /src
RUN python -m venv /opt/guilder
COPY requirements.lock ./
# Hashes for every file, and wheels only: nothing is compiled, so nothing that compiles is installed.
RUN --mount=type=cache,target=/root/.cache/pip \
    /opt/guilder/bin/pip install --require-hashes --only-binary :all: -r requirements.lock
COPY pyproject.toml LICENSE ./
COPY src ./src
RUN /opt/guilder/bin/pip install --no-build-isolation --no-deps --no-index . \
    && /opt/guilder/bin/pip uninstall --yes setuptools pip \
    && python -m compileall -q -j 0 /opt/guilder/lib

# ---- what it consists of ----
FROM ${PYTHON} AS sbom
COPY --from=build /opt/guilder /opt/guilder
COPY deploy/docker/sbom.py /sbom.py
RUN mkdir /sbom && /opt/guilder/bin/python /sbom.py >/sbom/guilder.cdx.json

# `docker build --target sbom-only --output build .` writes it to a file.
FROM scratch AS sbom-only
COPY --from=sbom /sbom/guilder.cdx.json /

# ---- what runs ----
FROM ${PYTHON}
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Guilder" \
    org.opencontainers.image.description="Subscription billing and payments that a company runs itself." \
    org.opencontainers.image.licenses="MIT" \
    org.opencontainers.image.version="${VERSION}" \
    org.opencontainers.image.revision="${REVISION}"
# The base image's pip could only put in what nobody has looked at.
RUN pip uninstall --yes --root-user-action=ignore setuptools wheel pip; \
    rm -rf /usr/local/lib/python3.*/ensurepip /root/.cache \
    && groupadd --system --gid 10001 guilder \
    && useradd --system --uid 10001 --gid guilder --home-dir /data --shell /usr/sbin/nologin guilder \
    && install -d -o guilder -g guilder -m 700 /data \
    && install -d -m 755 /srv/guilder
COPY --from=build /opt/guilder /opt/guilder
COPY --from=sbom /sbom/guilder.cdx.json /usr/share/sbom/guilder.cdx.json
COPY deploy/docker/healthcheck.py /usr/local/lib/guilder/healthcheck.py
# Safe unless told otherwise: production, JSON, nothing written but to /data and /tmp.
ENV PATH=/opt/guilder/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    APP_ENV=production \
    LOG_FORMAT=json \
    HOST=0.0.0.0 \
    PORT=4000 \
    METRICS_PORT=4001 \
    GUILDER_DATA=/data
WORKDIR /srv/guilder
USER 10001:10001
VOLUME /data
EXPOSE 4000 4001
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "/usr/local/lib/guilder/healthcheck.py"]
# Without a shell between: SIGTERM reaches the process, which drains.
ENTRYPOINT ["guilder"]
CMD ["serve"]
