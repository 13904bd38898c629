#!/bin/sh
# msmtp, once: see README.md for what is handed over and the exit codes.
set -u
set -- --file=/dev/null --host="${1:-$PARLEY_HOST}" --port="${2:-$PARLEY_PORT}" --protocol="${PARLEY_PROTO:-smtp}" \
	--domain="$PARLEY_HELLO" --from="$PARLEY_FROM" --timeout="${PARLEY_TIMEOUT:-30}" --syslog=off --set-from-header=off --set-date-header=off --set-msgid-header=off
case ${PARLEY_TLS:-none} in
starttls) set -- "$@" --tls=on --tls-starttls=on --tls-trust-file="$PARLEY_CA" ;;
implicit) set -- "$@" --tls=on --tls-starttls=off --tls-trust-file="$PARLEY_CA" ;;
esac
case ${PARLEY_AUTH:-none} in
none) ;;
any) set -- "$@" --auth=on ;;
*,*) exit 89 ;;
*) set -- "$@" --auth="$(echo "$PARLEY_AUTH" | tr A-Z a-z)" ;;
esac
[ -z "${PARLEY_USER:-}" ] || set -- "$@" --user="$PARLEY_USER" --passwordeval='printf %s "${PARLEY_TOKEN:-$PARLEY_PASSWORD}"'
set -- "$@" --
IFS=,
for to in $PARLEY_RCPTS; do
	set -- "$@" "$to"
done

# It wants LF.
said=$(tr -d '\r' <"$PARLEY_FILE" | msmtp "$@" 2>&1)
code=$?
printf '%s\n' "$said" >&2

# Its codes do not tell for now from for good; what it shows of the server does.
case $code:$said in
0:*) exit 0 ;;
*'server message: 4'*) exit 75 ;;
*'server message: 5'*) exit 69 ;;
esac
exit $code
