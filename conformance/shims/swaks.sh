#!/bin/sh
# swaks, once: see README.md for what is handed over and the exit codes.
set -u
[ -z "${PARLEY_TOKEN:-}" ] || exit 89
[ -n "$PARLEY_FROM" ] || PARLEY_FROM='<>'

file=$(mktemp)
trap 'rm -f "$file"' EXIT
set -- --server "${1:-$PARLEY_HOST}" --port "${2:-$PARLEY_PORT}" --ehlo "$PARLEY_HELLO" --from "$PARLEY_FROM" --to "$PARLEY_RCPTS" \
	--data "@$file" --timeout "${PARLEY_TIMEOUT:-30}"
[ "${PARLEY_PROTO:-smtp}" = smtp ] || set -- "$@" --protocol LMTP
case ${PARLEY_TLS:-none} in
starttls) set -- "$@" --tls --tls-verify --tls-ca-path "$PARLEY_CA" ;;
implicit) set -- "$@" --tls-on-connect --tls-verify --tls-ca-path "$PARLEY_CA" ;;
esac
case ${PARLEY_AUTH:-none} in
none) ;;
any) set -- "$@" --auth ;;
*) set -- "$@" --auth "$PARLEY_AUTH" ;;
esac
[ "${PARLEY_AUTH:-none}" = none ] || set -- "$@" --auth-user "$PARLEY_USER" --auth-password "$PARLEY_PASSWORD"

# It puts a line end behind what it is given, and an empty line behind what has no header.
grep -q -m 1 '^[!-9;-~]*:' <<-end || printf '\n\n' >"$file"
	$(head -n 1 "$PARLEY_FILE")
end
head -c -2 "$PARLEY_FILE" >>"$file"
dialogue=$(swaks "$@" 2>&1)
code=$?
printf '%s\n' "$dialogue" >&2

# swaks says in which phase it failed and marks what it did not like by "**".
refused=$(printf '%s\n' "$dialogue" | sed -n 's/^<[*~]\* \([45]\)[0-9][0-9].*/\1/p' | tail -n 1)
rcpt=$(printf '%s\n' "$dialogue" | awk '/^ *[-~*]*> /{on = /> (RCPT|[.]$)/} on && /^<[*~][*] [45]/{last = substr($2, 1, 1)} END{print last}')
case $code:$refused:$rcpt in
0:*: | 27:*:) exit 0 ;;      # 27: QUIT was not answered well
0:*:4 | 27:*:4) exit 75 ;;   # some recipients
0:*:5 | 27:*:5) exit 69 ;;
*:5:*) exit 69 ;;
1:*) exit 64 ;;
6:*)                         # cut off; behind the end of the content nobody knows
	case $(printf '%s\n' "$dialogue" | sed -n 's/^ [-~*]*> //p' | tail -n 1):$rcpt in
	.:*) exit 79 ;;
	QUIT:) exit 0 ;;
	esac
	exit 75 ;;
*) exit 75 ;;
esac
