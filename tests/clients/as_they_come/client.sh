# curl, with the options that are given.
set -euo pipefail
(umask 077; printf 'X-Api-Key: %s\nAuthorization: Bearer %s\n' "$KEY" "$TOKEN" > headers)
ask() { curl --silent --show-error --max-time 20 "${OPTIONS[@]}" -H @headers -H 'Content-Type: application/json' "$@"; }
OPTIONS=("$@")
ask "$BASE/client/sync" -d "$BODY"; echo
ask "$BASE/client/sync?entity_type=todo"; echo
# The stream has no end: curl is ended by the first event, and says so.
(ask --no-buffer "$BASE/client/sync/stream?entity_type=todo" 2>/dev/null || true) | grep --max-count 1 '^data: ' | cut -c7-
ask --output error.json --write-out '%{http_code} ' "$BASE/client/sync"; cat error.json; echo
