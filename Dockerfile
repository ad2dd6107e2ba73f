# The gateway as an image: `meshgate run /resources`, with stock Envoy in it.
#
#     docker build --tag meshgate .
#     docker run --read-only --network host --volume ./resources:/resources:ro meshgate
#
# Needs BuildKit, which leaves out the stages that are not used. Where no image can be pulled, scripts/meshgate-image.sh
# gives local ones.
ARG RUST_IMAGE=rust:1.95-bookworm
ARG ENVOY_IMAGE=envoyproxy/envoy:v1.40-latest
# A C library and nothing that runs by itself; as old as that of the build, or newer.
ARG BASE_IMAGE=debian:bookworm-slim
# An image with /out/meshgate and the empty folder /out/state; the stage below unless somebody has one.
ARG BINARY_IMAGE=build

FROM ${RUST_IMAGE} AS build
WORKDIR /src
COPY . .
ENV CARGO_PROFILE_RELEASE_STRIP=symbols
RUN rustup target add wasm32-unknown-unknown \
    && cargo build --release --locked --package meshgate \
    && mkdir -p /out/state \
    && cp target/release/meshgate /out/meshgate

FROM ${BINARY_IMAGE} AS binary

FROM ${ENVOY_IMAGE} AS envoy

FROM ${BASE_IMAGE}
COPY --from=envoy /usr/local/bin/envoy /usr/local/bin/envoy
COPY --from=binary /out/meshgate /usr/local/bin/meshgate
# Nobody in particular: no file in the image is this user's but the folder with the state of runs.
COPY --from=binary --chown=65532:65532 /out/state /var/lib/meshgate
ENV MESHGATE_ENVOY=/usr/local/bin/envoy MESHGATE_WORK_DIR=/var/lib/meshgate TMPDIR=/var/lib/meshgate
VOLUME /var/lib/meshgate
USER 65532:65532
EXPOSE 8080 8443
# Unhealthy: Envoy does not take connections. A change that was refused is for `meshgate status` and the metrics to tell:
# what was served before still is, and a restart would not mend the resources.
HEALTHCHECK --interval=5s --timeout=3s --start-period=30s CMD ["/usr/local/bin/meshgate", "status", "--ready"]
ENTRYPOINT ["/usr/local/bin/meshgate", "run", "/resources"]
