#!/bin/sh
# Exim's smtp transport, once: see README.md for what is handed over and the exit codes.
# A configuration and a spool of its own for the one message; EXIM and its libraries are
# where interop/install.sh all has unpacked them. It needs root.
set -eu
[ -z "${PARLEY_TOKEN:-}" ] || exit 89
host=${1:-$PARLEY_HOST} port=${2:-$PARLEY_PORT}
tree=${PARLEY_PEERS:-/var/cache/parley-peers}/exim
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
mkdir "$dir/spool" "$dir/log"
chown Debian-exim "$dir" "$dir/spool" "$dir/log"

protocol=${PARLEY_PROTO:-smtp} avoid='*' require=
case ${PARLEY_TLS:-none} in
starttls) avoid= require='*' ;;
implicit) [ "$protocol" = smtp ] || exit 89; protocol=smtps avoid= require='*' ;;
esac
wait=${PARLEY_TIMEOUT:-30}s
cat >"$dir/conf" <<END
exim_path = $tree/usr/sbin/exim4
exim_user = Debian-exim
exim_group = Debian-exim
never_users =
primary_hostname = $PARLEY_HELLO
spool_directory = $dir/spool
log_file_path = $dir/log/%s
log_selector = +smtp_confirmation
received_header_text =
untrusted_set_sender = *
local_from_check = false
accept_8bitmime = true
bounce_return_message = false
smtputf8_advertise_hosts =
acl_not_smtp_start = as_it_is
keep_environment = LD_LIBRARY_PATH : PARLEY_USER : PARLEY_PASSWORD
queue_only = true
queue_only_override = false
begin acl
as_it_is:
  accept control = suppress_local_fixups
begin routers
all:
  driver = manualroute
  domains = *
  transport = out
  route_data = $host
  self = send
begin transports
out:
  driver = smtp
  protocol = $protocol
  port = $port
  hosts_override
  hosts_avoid_tls = $avoid
  hosts_require_tls = $require
  tls_verify_certificates = ${PARLEY_CA:-system}
  tls_verify_hosts = *
  hosts_require_auth = ${PARLEY_USER:+*}
  helo_data = $PARLEY_HELLO
  connect_timeout = $wait
  command_timeout = $wait
  data_timeout = $wait
  final_timeout = $wait
  allow_localhost
begin retry
* * F,1h,1h
begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  client_send = ^\${env{PARLEY_USER}}^\${env{PARLEY_PASSWORD}}
login:
  driver = plaintext
  public_name = LOGIN
  client_send = : \${env{PARLEY_USER}} : \${env{PARLEY_PASSWORD}}
END

arch=$(echo "$tree"/usr/lib/*-linux-gnu*)
export LD_LIBRARY_PATH="$tree/usr/lib:$arch"
exim() { "$tree/usr/sbin/exim4" -C "$dir/conf" "$@" >&2; }
IFS=,
# shellcheck disable=SC2086 # a list
exim -odq -oi -f "${PARLEY_FROM:-<>}" $PARLEY_RCPTS <"$PARLEY_FILE" || exit 64
id=$(cd "$dir/spool/input" && echo *-H)
exim -M "${id%-H}" || :

# "=>" and "->" delivered, "**" refused for good, "==" to be tried again.
log=$(cat "$dir/log/main")
printf '%s\n' "$log" >&2
case $log in
*' ** '*) exit 69 ;;
*' == '*'after end of data'* | *' == '*'after sending data block'*)
	case $log in *'SMTP error from remote'*) exit 75 ;; esac
	exit 79 ;;
*' == '*) exit 75 ;;
*' => '*) exit 0 ;;
esac
exit 75
