# syntax=docker/dockerfile:1
# A node in an image of nothing but the program:
#
#   docker build --tag tallylight . && docker run --publish 8080:8080 tallylight serve --dev

FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN --mount=type=cache,target=/go/pkg/mod go mod download
COPY . .
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
	CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' -o /out/tallylight ./cmd/tallylight
RUN mkdir /out/data

FROM scratch
# Whom to trust in TLS, for a database elsewhere.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /out/tallylight /tallylight
# The SQLite file is made in the working directory unless --database says otherwise. A number, as there is no passwd
# file to find a name in, and as Kubernetes can see of a number alone that it is not root.
COPY --from=build --chown=65532:65532 /out/data /data
USER 65532:65532
WORKDIR /data
VOLUME /data
# There is no /tmp.
ENV TMPDIR=/data
EXPOSE 8080
ENTRYPOINT ["/tallylight"]
CMD ["serve"]
