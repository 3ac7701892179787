# Two stages: the second holds Python, the environment and nothing to build with.
FROM python:3.12-slim AS build
RUN pip install --no-cache-dir 'uv>=0.8'
WORKDIR /app
COPY pyproject.toml uv.lock README.md ./
RUN uv sync --frozen --no-dev --no-install-project
COPY bot bot
COPY mcp_servers mcp_servers
COPY sandbox sandbox
COPY playbooks playbooks
RUN uv sync --frozen --no-dev --no-editable

FROM python:3.12-slim
RUN useradd --uid 10001 --create-home rca && mkdir -p /var/lib/rca && chown rca /var/lib/rca
COPY --from=build /app/.venv /app/.venv
ENV PATH=/app/.venv/bin:$PATH PYTHONUNBUFFERED=1 RCA_STORE_URL=sqlite:////var/lib/rca/rca.sqlite
USER 10001
WORKDIR /var/lib/rca
EXPOSE 8080
ENTRYPOINT ["rca"]
CMD ["run"]
