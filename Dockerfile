# syntax=docker/dockerfile:1
# One image for all services: GOVCONNECT_ROLES says which of them a container runs. See docker-compose.yml.

# The officers' web application, which becomes part of the binary.
FROM node:22.20-bookworm-slim AS dashboard
WORKDIR /build/dashboard
COPY dashboard/package.json dashboard/package-lock.json ./
RUN --mount=type=cache,target=/root/.npm npm ci --no-audit --no-fund
COPY dashboard ./
# The client is made from the documents of the services.
COPY docs/openapi ../docs/openapi
RUN npm run --silent build

FROM rust:1.95-bookworm AS binary
WORKDIR /build
COPY . .
COPY --from=dashboard /build/dashboard/dist dashboard/dist
# Queries are checked against the committed .sqlx: no database is asked.
ENV SQLX_OFFLINE=true
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/build/target \
    cargo build --release --locked --bin govconnect && cp target/release/govconnect /govconnect

FROM debian:12.11-slim
# Roots for TLS to Meta, and the zones by which complaints are numbered.
RUN apt-get update -q \
    && apt-get install -q -y --no-install-recommends ca-certificates tzdata \
    && rm -rf /var/lib/apt/lists/*
RUN useradd --system --uid 10001 --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin govconnect \
    && install -d -o govconnect -g govconnect -m 0700 \
        /var/lib/govconnect /var/lib/govconnect/media /var/lib/govconnect/media-spool
COPY --from=binary /govconnect /usr/local/bin/govconnect
USER 10001:10001
WORKDIR /var/lib/govconnect
ENV GOVCONNECT_DATA_DIR=/var/lib/govconnect
# SIGTERM reaches the node itself, which drains.
ENTRYPOINT ["govconnect"]
CMD ["serve"]
