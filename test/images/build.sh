#!/bin/sh
# Builds both images with docker, podman or buildah: the first that is there and
# works. `make images` calls it. Environment:
#
#   VERSION     of the programs, and the images' tag (default devel)
#   BUILDER     docker, podman or buildah: this one and no other
#   GO_IMAGE    the Go image to compile with, such as a mirror's
#   BASE_IMAGE  what the last stage starts from (default: nothing at all)
#   PLATFORM    such as linux/arm64 (default: this machine's)
#   IMAGES      which of them (default "sidecar injector")
#   BUILD_FLAGS more flags for the builder, separated by blanks
set -eu
cd "$(dirname "$0")/../.."

VERSION=${VERSION:-devel}

# works BUILDER: it is installed and can build. A docker client without an
# engine is installed, but cannot.
works() {
	command -v "$1" >/dev/null 2>&1 || { why="$why
  $1: not installed"; return 1; }
	case $1 in
	docker) said=$(docker version --format '{{.Server.Version}}' 2>&1) ;;
	*) said=$("$1" info 2>&1) ;;
	esac || { why="$why
  $1: $(echo "$said" | grep . | tail -n 1)"; return 1; }
}

why=
builder=
for b in ${BUILDER:-docker podman buildah}; do
	if works "$b"; then
		builder=$b
		break
	fi
done
if [ -z "$builder" ]; then
	cat >&2 <<-MESSAGE
	images: nothing here can build a container image:$why
	Install one of them, for example on Debian, as root:
	  apt-get install -y buildah
	MESSAGE
	exit 1
fi

for image in ${IMAGES:-sidecar injector}; do
	tag=logging.taco/$image:$VERSION
	echo "images: $builder builds $tag" >&2
	set -- --file "Dockerfile.$image" --tag "$tag" --build-arg "VERSION=$VERSION"
	[ -z "${GO_IMAGE:-}" ] || set -- "$@" --build-arg "GO_IMAGE=$GO_IMAGE"
	[ -z "${BASE_IMAGE:-}" ] || set -- "$@" --build-arg "BASE_IMAGE=$BASE_IMAGE"
	[ -z "${PLATFORM:-}" ] || set -- "$@" --platform "$PLATFORM"
	case $builder in
	docker) DOCKER_BUILDKIT=1 docker build "$@" ${BUILD_FLAGS:-} . ;;
	# Names of base images are complete, so that no list of registries is asked for.
	podman) podman build --layers "$@" ${BUILD_FLAGS:-} . ;;
	# buildah 1.28 takes BUILDPLATFORM for the target's, when nobody tells it.
	buildah) buildah bud --layers --build-arg "BUILDPLATFORM=linux/$(buildah info --format '{{.host.arch}}')" "$@" ${BUILD_FLAGS:-} . ;;
	esac || {
		echo "images: $builder could not build $tag; where the registry of a base image is out of reach, name a mirror's with GO_IMAGE" >&2
		exit 1
	}
done
