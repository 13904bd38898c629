#!/bin/sh
# Installs the servers and clients that the interoperability tests run, on Debian or Ubuntu:
#
#   interop/install.sh short   Postfix with smtp-sink and Cyrus SASL
#   interop/install.sh all     every peer
#
# Nothing is started as a service, nothing is asked, and what is there already
# stays as it is. Mail servers exclude each other as packages, so only Postfix is
# installed; the others are unpacked into a cache directory (PARLEY_PEERS, else
# parley-peers in /var/cache or, not as root, in the user's cache) and run from there.
set -eu

want=${1:-short}
default=${XDG_CACHE_HOME:-$HOME/.cache}
[ "$(id -u)" != 0 ] || default=/var/cache # where the servers' own users can go
cache=${PARLEY_PEERS:-$default/parley-peers}

# Installed: package, and a program or file that proves it.
short='python3:/usr/bin/python3 postfix:postfix sasl2-bin:saslpasswd2 libsasl2-modules:/usr/lib/*/sasl2/libscram.so'
all="$short dante-server:danted microsocks:microsocks tinyproxy:tinyproxy squid:squid openssh-server:sshd openssh-client:ssh
krb5-kdc:krb5kdc krb5-admin-server:kadmin.local krb5-user:kinit
libsasl2-modules-gssapi-mit:/usr/lib/*/sasl2/libgssapiv2.so libmime-tools-perl:/usr/share/perl5/MIME/Parser.pm
curl:curl swaks:swaks msmtp:msmtp python3-aiosmtplib:/usr/lib/python3/dist-packages/aiosmtplib/__init__.py
libnet-ssleay-perl:/usr/lib/*/perl5/*/Net/SSLeay.pm libio-socket-ssl-perl:/usr/share/perl5/IO/Socket/SSL.pm
libauthen-sasl-perl:/usr/share/perl5/Authen/SASL.pm
chromium:chromium"

# Unpacked: directory, the file that proves it, packages.
unpacked='exim usr/sbin/exim4 exim4-daemon-heavy
opensmtpd usr/sbin/smtpd opensmtpd
dovecot usr/lib/dovecot/submission dovecot-submissiond dovecot-lmtpd dovecot-gssapi
cyrus usr/lib/cyrus/bin/lmtpd cyrus-imapd
nodemailer usr/share/nodejs/nodemailer/package.json node-nodemailer
sendmail usr/libexec/sendmail/sendmail sendmail-bin sendmail-cf m4'

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

# unpack DIRECTORY PROOF PACKAGE...: the packages and what they need beyond what is
# installed, without installing them: nothing is configured, nothing conflicts.
unpack() {
	tree=$cache/$1
	proof=$2
	shift 2
	[ ! -e "$tree/$proof" ] || return 0
	say "unpacking $*"
	update
	rm -rf "$tree" "$tree.debs"
	mkdir -p "$tree.debs/partial" "$tree.new"
	retry apt -d -o APT::Sandbox::User=root -o Dir::Cache::archives="$tree.debs" install --no-install-recommends "$@" >/dev/null
	for deb in "$tree.debs"/*.deb; do
		dpkg-deb -x "$deb" "$tree.new"
	done
	# Nothing set-uid is left about; root starts these, they need no more.
	find "$tree.new" -type f -perm /6000 -exec chmod ug-s {} +
	rm -rf "$tree.debs"
	mv "$tree.new" "$tree"
}

case $want in
short) packages=$short ;;
all) packages=$all ;;
*) say "usage: install.sh short|all"; exit 64 ;;
esac

missing=
for entry in $packages; do
	has "${entry#*:}" || missing="$missing ${entry%%:*}"
done
if [ -n "$missing" ]; then
	say "installing$missing"
	update
	# shellcheck disable=SC2086 # a list of names
	install $missing
fi

if [ "$want" = all ]; then
	# Some programs insist on the users they were built for.
	for user in Debian-exim opensmtpd opensmtpq dovecot dovenull cyrus; do
		id "$user" >/dev/null 2>&1 || as_root useradd --system --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin "$user"
	done
	mkdir -p "$cache"
	chmod 755 "$cache"
	# Some paths are compiled in.
	as_root mkdir -p /var/lib/opensmtpd/empty /usr/libexec
	for path in opensmtpd/usr/libexec/opensmtpd dovecot/usr/lib/dovecot dovecot/usr/bin/doveconf; do
		[ -e "/${path#*/}" ] || as_root ln -sfn "$cache/$path" "/${path#*/}"
	done
	echo "$unpacked" | while read -r tree proof names; do
		# shellcheck disable=SC2086 # a list of names
		unpack "$tree" "$proof" $names
	done
fi
