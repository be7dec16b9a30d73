# AgentIdP in an image without a shell, run by a user without rights. Build: docker build -t agentidp .
#
# The server needs no writable folder with PostgreSQL: run it with a read-only root. On SQLite mount a volume at /data,
# owned by 65532.

FROM rust:1.95-bookworm AS build
RUN apt-get update && apt-get install -y --no-install-recommends cmake && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/src/target \
    cargo build --workspace --locked --release && install -D target/release/agentidp /out/agentidp && mkdir /out/data

FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /out/agentidp /usr/local/bin/agentidp
COPY --from=build --chown=65532:65532 /out/data /data
WORKDIR /
USER 65532:65532
EXPOSE 8080
HEALTHCHECK --interval=5s --timeout=4s --start-period=30s --retries=3 CMD ["/usr/local/bin/agentidp", "healthcheck"]
ENTRYPOINT ["/usr/local/bin/agentidp"]
CMD ["serve"]
