#!/bin/sh
# parley send, once: see README.md for what is handed over and the exit codes.
set -u
server=${1:-$PARLEY_HOST}:${2:-$PARLEY_PORT}
[ "${PARLEY_PROTO:-smtp}" = smtp ] || server=lmtp://$server
set -- --server "$server" --tls "${PARLEY_TLS:-none}" --hello "$PARLEY_HELLO" --from "$PARLEY_FROM" --to "$PARLEY_RCPTS" \
	--timeout "${PARLEY_TIMEOUT:-30}s" --data "${PARLEY_DATA:-auto}" --json
[ -z "${PARLEY_CA:-}" ] || set -- "$@" --ca "$PARLEY_CA"
[ "${PARLEY_AUTH:-none}" = none ] || set -- "$@" --auth "$(echo "$PARLEY_AUTH" | sed 's/^any$/auto/')" --user "$PARLEY_USER"
[ -z "${PARLEY_TOKEN:-}" ] || set -- "$@" --token-file "$PARLEY_TOKEN_FILE"
[ "${PARLEY_PLAINTEXT:-no}" = no ] || set -- "$@" --allow-plaintext-auth
exec "${PARLEY:-parley}" send ${PARLEY_STRICT:+--strict} "$@" "$PARLEY_FILE"
