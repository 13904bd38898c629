#!/usr/bin/python3
"""aiosmtplib, once: see README.md for what is handed over and the exit codes."""

import asyncio
import os
import sys

import aiosmtplib

env = os.environ
host = sys.argv[1] if len(sys.argv) > 1 else env["PARLEY_HOST"]
port = int(sys.argv[2] if len(sys.argv) > 2 else env["PARLEY_PORT"])
tls = env.get("PARLEY_TLS", "none")


def sort(code):
    """The exit code for a reply; without one (-1, None) it is worth another try."""
    return 69 if code and 500 <= code <= 599 else 75


async def run():
    if env.get("PARLEY_TOKEN") or env.get("PARLEY_PROTO", "smtp") != "smtp":
        return 89
    with open(env["PARLEY_FILE"], "rb") as f:
        refused, _ = await aiosmtplib.send(
            f.read(),
            sender=env["PARLEY_FROM"],
            recipients=env["PARLEY_RCPTS"].split(","),
            hostname=host,
            port=port,
            local_hostname=env["PARLEY_HELLO"],
            timeout=float(env.get("PARLEY_TIMEOUT", "30")),
            use_tls=tls == "implicit",
            start_tls=tls == "starttls",
            cert_bundle=env.get("PARLEY_CA") or None,
            username=env.get("PARLEY_USER") or None,
            password=env.get("PARLEY_PASSWORD") or None,
        )
    return max((sort(r.code) for r in refused.values()), default=0)


try:
    sys.exit(asyncio.run(run()))
except aiosmtplib.SMTPNotSupported as e:
    print(e, file=sys.stderr)
    sys.exit(78)
except aiosmtplib.SMTPRecipientsRefused as e:
    print(e, file=sys.stderr)
    sys.exit(min(sort(r.code) for r in e.recipients))
except aiosmtplib.SMTPResponseException as e:
    print(repr(e), file=sys.stderr)
    sys.exit(sort(e.code))
except (aiosmtplib.SMTPException, OSError) as e:
    print(repr(e), file=sys.stderr)
    sys.exit(75)
