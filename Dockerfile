# syntax=docker/dockerfile:1
# `deploy/image/pin-bases.sh` adds the digests of the bases, at each release (docs/releasing.md).
# Nothing that Portico needs at run time is compiled for a processor: the stages that run commands run on the
# builder's, whatever the image is for.

FROM --platform=$BUILDPLATFORM node:26.10.0-bookworm-slim AS packages
WORKDIR /app
# --no-workspaces: the server needs none of the packages in packages/, so that their manifests stay out as well.
COPY package.json package-lock.json .npmrc ./

FROM packages AS build
# Settings for a registry of your own, and its certificate, stay out of the image: `--secret id=npmrc,src=...`.
RUN --mount=type=secret,id=npmrc,target=/run/secrets/npmrc --mount=type=secret,id=ca,target=/run/secrets/ca.pem \
  npm ci --userconfig=/run/secrets/npmrc --ignore-scripts --no-workspaces
COPY tsconfig.json tsconfig.build.json ./
COPY src ./src
COPY packages/prune-dist.ts ./packages/
RUN npm run build:server

FROM packages AS dependencies
RUN --mount=type=secret,id=npmrc,target=/run/secrets/npmrc --mount=type=secret,id=ca,target=/run/secrets/ca.pem \
  npm ci --userconfig=/run/secrets/npmrc --ignore-scripts --no-workspaces --omit=dev

FROM node:26.10.0-bookworm-slim AS node

# The parts of the demo that are not Portico, for compose.yaml. They have well-known passwords.
FROM node AS demo
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN --mount=type=secret,id=npmrc,target=/run/secrets/npmrc --mount=type=secret,id=ca,target=/run/secrets/ca.pem \
  npm ci --userconfig=/run/secrets/npmrc --ignore-scripts --no-workspaces
COPY tsconfig.json ./
COPY src ./src
COPY client ./client
COPY demo ./demo
RUN mkdir /secrets && chown node /secrets
USER 1000:1000
HEALTHCHECK --interval=2s --timeout=2s --retries=15 \
  CMD ["node", "-e", "fetch('http://127.0.0.1:3000').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "demo/container.ts"]

# No shell, no package manager, no npm: Node and the libraries of C and C++.
FROM gcr.io/distroless/cc-debian12:nonroot AS portico
ARG VERSION=unreleased REVISION=unknown CREATED=unknown SOURCE=unknown
LABEL org.opencontainers.image.title="Portico" \
  org.opencontainers.image.description="A backend-for-frontend auth server for single-page apps" \
  org.opencontainers.image.licenses="Apache-2.0" \
  org.opencontainers.image.version="${VERSION}" \
  org.opencontainers.image.revision="${REVISION}" \
  org.opencontainers.image.created="${CREATED}" \
  org.opencontainers.image.source="${SOURCE}"
COPY --from=node /usr/local/bin/node /usr/local/bin/
# The one library that Node needs and the base lacks.
COPY --from=node /usr/lib/*-linux-gnu/libatomic.so.1 /usr/lib/
ENV NODE_ENV=production
WORKDIR /app
COPY --from=dependencies /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
COPY package.json LICENSE ./
# A number: Kubernetes cannot see otherwise that it is not root.
USER 65532:65532
EXPOSE 3000
# The process writes nothing: --read-only works. It is PID 1 itself, so that SIGTERM reaches it.
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s \
  CMD ["/usr/local/bin/node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT || 3000}/livez`).then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["/usr/local/bin/node", "dist/main.js"]
CMD ["serve"]
