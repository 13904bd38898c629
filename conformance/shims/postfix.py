#!/usr/bin/python3
"""Postfix's smtp(8), once: see README.md for what is handed over and the exit codes.

    postfix.py start DIR    a private Postfix below DIR, which must be new (needs root)
    postfix.py stop DIR
    postfix.py [HOST PORT]  one message through the Postfix that PARLEY_POSTFIX=DIR names

Its queue has each message once. The name in HELO says where smtp(8) shall take it, and
the log says what became of it.
"""

import fcntl
import os
import pwd
import re
import shutil
import smtplib
import socket
import subprocess
import sys
import time

env = os.environ

MAIN = """
compatibility_level = 3.6
queue_directory = {dir}/queue
data_directory = {dir}/data
maillog_file = {dir}/mail.log
maillog_file_prefixes = {dir}
myhostname = {hello}
mydestination =
mynetworks = 127.0.0.1
alias_maps =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
biff = no
notify_classes =
local_header_rewrite_clients =
header_checks = regexp:{dir}/etc/headers
smtpd_helo_required = yes
smtpd_helo_restrictions = check_helo_access regexp:{dir}/etc/route
smtpd_recipient_restrictions = permit_mynetworks, reject
smtpd_relay_restrictions =
smtpd_client_connection_count_limit = 0
smtpd_peername_lookup = no
resolve_numeric_domain = yes
in_flow_delay = 0
default_transport = discard
minimal_backoff_time = 1d
smtp_host_lookup = native
smtp_address_preference = ipv4
smtp_connection_cache_on_demand = no
smtp_tls_CAfile = {dir}/ca.pem
smtp_tls_secure_cert_match = hostname
smtp_sasl_password_maps = texthash:{dir}/sasl
smtp_sasl_security_options = noanonymous
smtp_connect_timeout = {wait}s
smtp_helo_timeout = {wait}s
smtp_starttls_timeout = {wait}s
smtp_mail_timeout = {wait}s
smtp_rcpt_timeout = {wait}s
smtp_data_init_timeout = {wait}s
smtp_data_xfer_timeout = {wait}s
smtp_data_done_timeout = {wait}s
smtp_rset_timeout = {wait}s
smtp_quit_timeout = {wait}s
"""

# One smtp(8) for each message, so that it reads its tables anew.
MASTER = """
127.0.0.1:{port} inet n - n - - smtpd
smtp unix - - n - - smtp -o max_use=1 -o smtp_tls_security_level=none
smtp-auth unix - - n - - smtp -o max_use=1 -o smtp_tls_security_level=none -o smtp_sasl_auth_enable=yes
starttls unix - - n - - smtp -o max_use=1 -o smtp_tls_security_level=secure
starttls-auth unix - - n - - smtp -o max_use=1 -o smtp_tls_security_level=secure -o smtp_sasl_auth_enable=yes
implicit unix - - n - - smtp -o max_use=1 -o smtp_tls_security_level=secure -o smtp_tls_wrappermode=yes
implicit-auth unix - - n - - smtp -o max_use=1 -o smtp_tls_security_level=secure -o smtp_tls_wrappermode=yes -o smtp_sasl_auth_enable=yes
lmtp unix - - n - - lmtp -o max_use=1
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
proxymap unix - - n - - proxymap
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""


def write(name, text):
    """Puts a file in its place whole."""
    with open(name + ".new", "w") as f:
        f.write(text)
    os.rename(name + ".new", name)


def start(dir):
    owner = pwd.getpwnam("postfix")
    os.makedirs(dir + "/etc")
    os.chmod(dir, 0o755)
    for name, uid in ("queue", 0), ("data", owner.pw_uid):
        os.mkdir(f"{dir}/{name}")
        os.chown(f"{dir}/{name}", uid, 0 if uid == 0 else owner.pw_gid)
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    wait = env.get("PARLEY_TIMEOUT", "30")
    write(dir + "/etc/main.cf", MAIN.format(dir=dir, hello=env.get("PARLEY_HELLO", "client.example"), wait=wait))
    write(dir + "/etc/master.cf", MASTER.format(port=port))
    write(dir + "/etc/headers", "/^Received:/ IGNORE\n")
    write(dir + "/etc/route", "/^([a-z-]+)\\.([0-9]+)\\.(.+)$/ FILTER $1:[$3]:$2\n")
    write(dir + "/port", str(port))
    write(dir + "/sasl", "")
    write(dir + "/ca.pem", "")
    subprocess.run(["postfix", "-c", dir + "/etc", "start"], check=True, stdout=2)


def deliver():
    host = sys.argv[1] if len(sys.argv) > 1 else env["PARLEY_HOST"]
    port = sys.argv[2] if len(sys.argv) > 2 else env["PARLEY_PORT"]
    tls = env.get("PARLEY_TLS", "none")
    service = {"none": "smtp"}.get(tls, tls)
    if env.get("PARLEY_TOKEN"):
        return 89
    if env.get("PARLEY_PROTO") == "lmtp":
        if tls != "none" or env.get("PARLEY_USER"):
            return 89
        service = "lmtp"
    dir = env["PARLEY_POSTFIX"]
    with open(dir + "/port") as f:
        submit = int(f.read())
    with open(dir + "/lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if env.get("PARLEY_CA"):
            shutil.copy(env["PARLEY_CA"], dir + "/ca.pem.new")
            os.rename(dir + "/ca.pem.new", dir + "/ca.pem")
        if env.get("PARLEY_USER"):
            service += "-auth"
            server = f"[{host}]:{port} "
            with open(dir + "/sasl") as f:  # ports come again, and of two entries it takes none
                others = [line for line in f if not line.startswith(server)]
            write(dir + "/sasl", "".join(others) + server + env["PARLEY_USER"] + ":" + env["PARLEY_PASSWORD"] + "\n")
    with open(env["PARLEY_FILE"], "rb") as f:
        content = f.read()
    recipients = env["PARLEY_RCPTS"].split(",")
    if not all("@" in to for to in recipients):  # a postmaster without domain is its own
        return 89
    options = [] if content.isascii() else ["BODY=8BITMIME"]
    if not (env["PARLEY_FROM"] + env["PARLEY_RCPTS"]).isascii():
        options.append("SMTPUTF8")
    try:
        with smtplib.SMTP("127.0.0.1", submit, f"{service}.{port}.{host}", timeout=30) as queue:
            queue.ehlo()
            queue.mail(env["PARLEY_FROM"], options)
            for to in recipients:
                code, text = queue.rcpt(to)
                if code != 250:
                    print("not taken into the queue:", text, file=sys.stderr)
                    return 89
            code, text = queue.data(content)
            id = re.search(rb"queued as (\w+)", text)
    except (smtplib.SMTPException, ValueError) as e:
        print("not taken into the queue:", e, file=sys.stderr)
        return 89
    if not id:
        print("not taken into the queue:", text, file=sys.stderr)
        return 89
    return outcome(dir, id[1].decode(), len({to.lower() for to in recipients}))


def outcome(dir, id, count):
    """Waits until the log tells of every recipient."""
    line = re.compile(r"^.* postfix/\w+\[\d+\]: %s: to=.* status=(\w+) \((.*)$" % id, re.M)
    while True:
        with open(dir + "/mail.log") as f:
            found = line.findall(f.read())
        if len(found) >= count:
            break
        time.sleep(0.01)
    codes = []
    for status, why in found:
        print(status, why, file=sys.stderr)
        if status == "deferred" and "may be sent more than once" in why:
            codes.append(79)
        else:
            codes.append({"sent": 0, "bounced": 69, "deferred": 75}[status])
    return max(codes)


if sys.argv[1:2] == ["start"]:
    start(os.path.abspath(sys.argv[2]))
elif sys.argv[1:2] == ["stop"]:
    subprocess.run(["postfix", "-c", os.path.abspath(sys.argv[2]) + "/etc", "stop"], check=True, stdout=2)
else:
    sys.exit(deliver())
