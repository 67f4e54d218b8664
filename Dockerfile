# One image, several commands:  docker run tandem identity_service | work_service | gateway | migrations
ARG PYTHON=python:3.13.9-slim-bookworm

FROM ${PYTHON} AS built
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /opt/tandem
COPY requirements.lock /tmp/
# pip then removes itself: what runs does not need it.
RUN /opt/tandem/bin/pip install --require-hashes --only-binary :all: -r /tmp/requirements.lock && \
    /opt/tandem/bin/pip uninstall --yes pip

WORKDIR /app
COPY alembic.ini ./
COPY chassis chassis
COPY gateway gateway
COPY identity_service identity_service
COPY migrations migrations
COPY work_service work_service
COPY protos protos
COPY deploy/healthcheck.py ./
# The file system is read-only where it runs.
RUN /opt/tandem/bin/python -m compileall -q /app

FROM ${PYTHON}
RUN useradd --system --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin tandem
COPY --from=built /opt/tandem /opt/tandem
COPY --from=built /app /app
WORKDIR /app
ENV PATH=/opt/tandem/bin:${PATH} \
    PYTHONPATH=/app:/app/protos \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    IDENTITY_LISTEN=0.0.0.0:50051 \
    WORK_LISTEN=0.0.0.0:50052 \
    GATEWAY_LISTEN=0.0.0.0:8080
USER 10001:10001
EXPOSE 8080 50051 50052
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --start-interval=1s --retries=3 \
    CMD ["python", "/app/healthcheck.py"]
ENTRYPOINT ["python", "-m"]
CMD ["gateway"]
