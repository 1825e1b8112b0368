#!/usr/bin/env bash
# Sets up and runs every test there is, on a Debian machine that has Rust, node and Python.
#
#   bash tests/run.sh           everything
#   bash tests/run.sh --quick   without Autobahn's large and compressed messages, the checks of other features, and the browser's
#                               long ones (six columns, dropped connections); and 2 s of fuzzing a target
#
# The last line says "N passed, N failed"; the status is 0 only if none failed. What is missing is
# installed with apt-get (as root, or through sudo). Everything that is fetched, and all logs, reports
# and screenshots, lie in TALKBACK_CACHE (default ~/.cache/talkback). tests/run.py has the steps.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

case "$*" in
  "" | --quick) ;;
  *) echo "usage: bash tests/run.sh [--quick]" >&2; exit 2 ;;
esac

has() { command -v "$1" >/dev/null 2>&1; }
missing() { printf 'run.sh: %s\n' "$@" >&2; exit 1; }

# Autobahn's port is made with lib2to3, which Python 3.13 dropped; the rest wants 3.11
find_python() {
  for PYTHON in ${PYTHON:-} python3.11 python3.12 python3 /usr/bin/python3; do
    if has "$PYTHON" && "$PYTHON" -W ignore -c \
      'import sys, ensurepip, lib2to3.refactor; assert sys.version_info >= (3, 11)' 2>/dev/null; then
      export PYTHON
      return 0
    fi
  done
  unset PYTHON
  return 1
}
find_chromium() {
  for name in "${CHROMIUM:-}" chromium chromium-browser google-chrome google-chrome-stable; do
    if [ -n "$name" ] && has "$name"; then
      CHROMIUM=$(command -v "$name")
      export CHROMIUM
      return 0
    fi
  done
  return 1
}

has cargo || PATH=$HOME/.cargo/bin:$PATH
has cargo || missing "Rust is missing: see https://rustup.rs"

packages=()
find_python || packages+=(python3 python3-venv python3-lib2to3)
find_chromium || packages+=(chromium)
has node || packages+=(nodejs)
has npm || packages+=(npm)
has curl || packages+=(curl)
has cc || packages+=(gcc libc6-dev)
has c++ || packages+=(g++) # libFuzzer is C++
has valgrind || packages+=(valgrind)
if [ "${#packages[@]}" -gt 0 ]; then
  echo "installing ${packages[*]}"
  has apt-get || missing "install these first, there is no apt-get here: ${packages[*]}"
  as_root=()
  if [ "$(id -u)" -ne 0 ]; then
    has sudo || missing "install these first, as root: apt-get install ${packages[*]}"
    as_root=(sudo)
    [ -t 0 ] || as_root=(sudo --non-interactive)
  fi
  log=$(mktemp)
  trap 'rm -f "$log"' EXIT
  apt() { "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -y "$@" >"$log" 2>&1 </dev/null; }
  # a stale list of one source is no reason to stop: the installation decides
  apt update || tail -n 5 "$log" >&2
  apt install --no-install-recommends "${packages[@]}" ||
    { tail -n 20 "$log" >&2; missing "could not install: ${packages[*]}"; }
  find_python || missing "Python 3.11 or 3.12 with venv and lib2to3 is needed: name one with PYTHON=..."
  find_chromium || missing "no chromium: name one with CHROMIUM=..."
  rm -f "$log"
fi
for component in rustfmt clippy; do
  has "cargo-${component#rust}" && cargo "${component#rust}" --version >/dev/null 2>&1 ||
    { has rustup && rustup component add "$component"; } || missing "cargo ${component#rust} is missing"
done

exec "$PYTHON" tests/run.py "$@" </dev/null
