#!/bin/sh
# curl, once: see README.md for what is handed over and the exit codes.
set -u
host=${1:-$PARLEY_HOST} port=${2:-$PARLEY_PORT}
[ "${PARLEY_PROTO:-smtp}" = smtp ] || exit 89
scheme=smtp
case ${PARLEY_TLS:-none} in
starttls) set -- --ssl-reqd --cacert "$PARLEY_CA" ;;
implicit) scheme=smtps; set -- --cacert "$PARLEY_CA" ;;
*) set -- ;;
esac
case ${PARLEY_AUTH:-none} in
none) ;;
any) set -- "$@" --user "$PARLEY_USER:$PARLEY_PASSWORD" ;;
*,*) exit 89 ;;
*) set -- "$@" --user "$PARLEY_USER:$PARLEY_PASSWORD" --login-options "AUTH=$PARLEY_AUTH" ;;
esac
[ -z "${PARLEY_TOKEN:-}" ] || set -- "$@" --oauth2-bearer "$PARLEY_TOKEN"
IFS=,
for to in $PARLEY_RCPTS; do
	set -- "$@" --mail-rcpt "$to"
done

facts=$(curl -q --globoff --silent --show-error --noproxy '*' --max-time "${PARLEY_TIMEOUT:-30}" --mail-from "$PARLEY_FROM" "$@" \
	--upload-file "$PARLEY_FILE" --write-out '%{response_code},%{size_upload}' "$scheme://$host:$port/$PARLEY_HELLO")
code=$?
set -- $facts # reply code, octets uploaded
case $code:$1 in
0:*) exit 0 ;;
*:4??) exit 75 ;;
*:5??) exit 69 ;;
2:* | 3:* | 26:* | 43:*) exit 64 ;;
60:* | 67:*) exit 77 ;;
esac
# With all of the content gone out nobody knows.
[ "$2" -lt "$(wc -c <"$PARLEY_FILE")" ] || exit 79
exit 75
