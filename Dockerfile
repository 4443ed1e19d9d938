# hotdog-ft on a CPU, in a container; docs/serve.md says how it is used.
FROM python:3.11-slim-bookworm

# What MXNet's wheel leaves to the system. Debian's mirrors keep one version of a package, so none can be pinned.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libgomp1 libquadmath0 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home --uid 1000 hotdog

WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY hotdog_ft hotdog_ft
# Their versions are pinned by the project's own ranges.
# hadolint ignore=DL3013
RUN pip install --no-cache-dir '.[cpu,serve]'

USER 1000
WORKDIR /home/hotdog
ENV HOTDOG_FT_HOST=0.0.0.0
EXPOSE 8000
HEALTHCHECK --start-period=30s CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/healthz', timeout=3)"]
ENTRYPOINT ["hotdog-ft"]
CMD ["serve", "/model"]
