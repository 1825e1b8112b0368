#!/usr/bin/env bash
# Tries the examples with other people's programs. `echo` and `client` with npm `ws` and Python `websockets`, each
# as the client of our server and as the server of our client, and what is compressed on the wire between them.
# Server-sent events: `feed` is read by npm `eventsource` and Python `sseclient-py`, `events` reads a server of Node.
# `rooms` is tried by all of these, by Node's `fetch` and Python's `http.client`, and by both languages at once.
#
#   run.sh            all, one line a check, then the count
#   run.sh --setup    only fetches them (into the cache folder, pinned)
#
# The release builds are tried; they are built first unless EXAMPLES names a folder that has them.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${TALKBACK_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/talkback}/peers
python=${PYTHON:-python3}

# each is fetched again only when its pins change
mkdir -p "$cache"
if ! cmp -s "$here/package-lock.json" "$cache/package-lock.json" || [ ! -f "$cache/node.done" ]; then
  rm -f "$cache/node.done"
  cp "$here/package.json" "$here/package-lock.json" "$cache/"
  npm ci --prefix "$cache" --no-audit --no-fund --loglevel=error
  touch "$cache/node.done"
fi
stamp="$("$python" -V) $(cat "$here/requirements.txt")"
if [ "$(cat "$cache/python.done" 2>/dev/null)" != "$stamp" ]; then
  rm -rf "$cache/venv" "$cache/python.done"
  "$python" -m venv "$cache/venv"
  "$cache/venv/bin/python" -m pip install --quiet --disable-pip-version-check -r "$here/requirements.txt"
  echo "$stamp" >"$cache/python.done"
fi
[ "${1:-}" != --setup ] || exit 0

if [ -z "${EXAMPLES:-}" ]; then
  cargo build --release --locked --manifest-path "$here/../../Cargo.toml" --features rooms --example={echo,client,feed,events,rooms}
  EXAMPLES=$(cargo metadata --no-deps --locked --format-version 1 --manifest-path "$here/../../Cargo.toml" |
    "$python" -c 'import json, sys; print(json.load(sys.stdin)["target_directory"])')/release/examples
fi
export EXAMPLES

output=$(mktemp)
trap 'rm -f "$output"' EXIT
passed=0 failed=0
venv=$cache/venv/bin/python
for peer in "node $here/ws.mjs" "node $here/ws_deflate.mjs" \
  "$venv $here/websockets_peer.py" "$venv $here/websockets_deflate.py" \
  "node $here/eventsource.mjs" "node $here/node_events.mjs" "$venv $here/sseclient_peer.py" \
  "node $here"/{eventsource,ws,fetch}_rooms.mjs "$venv $here"/{sseclient,websockets,httpclient}_rooms.py \
  "node $here/mixed_rooms.mjs"; do
  status=0
  PEERS=$cache $peer </dev/null 2>&1 | tee "$output" || status=$?
  if [[ $(tail -n 1 "$output") =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed$ ]]; then
    passed=$((passed + BASH_REMATCH[1])) failed=$((failed + BASH_REMATCH[2]))
    # a status that the count does not explain is a failure too
    [ "$status" -eq 0 ] || [ "${BASH_REMATCH[2]}" -gt 0 ] || failed=$((failed + 1))
  else
    echo "FAIL ${peer##*/} gave no count (status $status)"
    failed=$((failed + 1))
  fi
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
