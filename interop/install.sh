#!/bin/sh
# Installs the servers that the interoperability tests run, on Debian or Ubuntu:
#
#   interop/install.sh short   Postfix with smtp-sink and Cyrus SASL
#   interop/install.sh all     every peer
#
# Nothing is started as a service, nothing is asked, and what is there already
# stays as it is. Mail servers exclude each other as packages, so only Postfix is
# installed; the others are unpacked into a cache directory and run from there.
set -eu

want=${1:-short}
cache=${PARLEY_PEERS:-${XDG_CACHE_HOME:-$HOME/.cache}/parley-peers}
here=$(dirname "$0")

# Installed: package, and a program that proves it.
short='postfix:postfix sasl2-bin:saslpasswd2 libsasl2-modules:/usr/lib/*/sasl2/libscram.so'

# Unpacked: package, and a file in it that proves it. Filled by peers.list.
list=$here/peers.list

PATH=$PATH:/usr/sbin:/sbin

say() { printf 'interop: %s\n' "$*"; }

# has PROGRAM-OR-PATH
has() {
	case $1 in
	/*) for f in $1; do [ -e "$f" ] && return 0; done; return 1 ;;
	*) command -v "$1" >/dev/null ;;
	esac
}

as_root() {
	if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}

# retry COMMAND...: three times; mirrors have bad moments.
retry() {
	for n in 1 2 3; do
		"$@" && return 0
		say "attempt $n failed: $*"
	done
	return 1
}

apt() {
	as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 "$@" </dev/null
}

updated=no
update() {
	[ $updated = yes ] || retry apt update >/dev/null
	updated=yes
}

# install PACKAGE...: with a policy that keeps the packages from starting services.
install() {
	policy=/usr/sbin/policy-rc.d
	mine=no
	if [ ! -e $policy ]; then
		printf '#!/bin/sh\nexit 101\n' | as_root tee $policy >/dev/null
		as_root chmod 755 $policy
		mine=yes
	fi
	echo 'postfix postfix/main_mailer_type select No configuration' | as_root debconf-set-selections
	status=0
	retry apt install --no-install-recommends "$@" >/dev/null || status=$?
	[ $mine = no ] || as_root rm -f $policy
	return $status
}

missing=
for entry in $short; do
	has "${entry#*:}" || missing="$missing ${entry%%:*}"
done
if [ -n "$missing" ]; then
	say "installing$missing"
	update
	# shellcheck disable=SC2086 # a list of names
	install $missing
fi
[ "$want" = all ] || exit 0
[ -e "$list" ] || exit 0

mkdir -p "$cache"
while read -r package proof; do
	case $package in '' | '#'*) continue ;; esac
	for f in "$cache"/tree/$proof; do
		[ -e "$f" ] && continue 2
	done
	say "unpacking $package"
	update
	(cd "$cache" && rm -f "${package}"_*.deb && retry apt-get -q download "$package" >/dev/null && dpkg-deb -x "${package}"_*.deb tree && rm -f "${package}"_*.deb)
done <"$list"
