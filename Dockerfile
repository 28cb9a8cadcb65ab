# The gateway with its manager, on a slim Debian, run by nobody in particular. Kong's conventions hold: commands, listeners, prefix,
# user and signals are what charts and compose files written for Kong's image expect.
#
#   docker build -t silverback .
#   docker run --rm -p 8000:8000 -e KONG_DATABASE=off silverback

FROM rust:1.95.0-slim-bookworm AS build
RUN apt-get update \
 && apt-get install -y --no-install-recommends g++ gcc make pkg-config \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /silverback
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/silverback/target \
    cargo xtask ui \
 && cargo build --locked --profile dist -p silverback \
 && install -D target/dist/silverback /out/silverback

FROM debian:bookworm-slim
LABEL org.opencontainers.image.title="Silverback" \
      org.opencontainers.image.description="An API gateway that speaks Kong" \
      org.opencontainers.image.licenses="Apache-2.0"
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates \
 && rm -rf /var/lib/apt/lists/*
# The charts expect uid and gid 1000; group 0 may write the prefix, for platforms that choose the uid themselves.
RUN groupadd --gid 1000 kong \
 && useradd --uid 1000 --gid kong --home-dir /usr/local/kong --no-create-home --shell /bin/bash kong \
 && install -d -o kong -g root -m 0775 /usr/local/kong \
 && ln -s silverback /usr/local/bin/kong
COPY --from=build --chmod=0755 /out/silverback /usr/local/bin/silverback
COPY --chmod=0755 deploy/image/entrypoint /docker-entrypoint.sh
USER kong
ENTRYPOINT ["/docker-entrypoint.sh"]
EXPOSE 8000 8443 8001 8444 8002 8445 8100
STOPSIGNAL SIGQUIT
HEALTHCHECK --interval=10s --timeout=10s --retries=10 CMD ["silverback", "health"]
CMD ["kong", "docker-start"]
