#!/usr/bin/python3
"""smtplib of Python, once: see README.md for what is handed over and the exit codes."""

import binascii
import os
import smtplib
import ssl
import sys

env = os.environ
host = sys.argv[1] if len(sys.argv) > 1 else env["PARLEY_HOST"]
port = int(sys.argv[2] if len(sys.argv) > 2 else env["PARLEY_PORT"])
tls = env.get("PARLEY_TLS", "none")


def sort(code):
    """The exit code for a reply; without one (-1, None) it is worth another try."""
    return 69 if code and 500 <= code <= 599 else 75


def leave(client):
    """Says QUIT. What comes of it changes nothing about the message."""
    try:
        client.quit()
    except (smtplib.SMTPException, OSError):
        client.close()


def run():
    if env.get("PARLEY_TOKEN"):
        return 89
    context = ssl.create_default_context(cafile=env.get("PARLEY_CA") or None)
    timeout = float(env.get("PARLEY_TIMEOUT", "30"))
    if env.get("PARLEY_PROTO") == "lmtp":
        client = smtplib.LMTP(host, port, env["PARLEY_HELLO"], timeout=timeout)
    elif tls == "implicit":
        client = smtplib.SMTP_SSL(host, port, env["PARLEY_HELLO"], timeout=timeout, context=context)
    else:
        client = smtplib.SMTP(host, port, env["PARLEY_HELLO"], timeout=timeout)
    try:
        if tls == "starttls":
            client.starttls(context=context)
        if env.get("PARLEY_USER"):
            client.login(env["PARLEY_USER"], env["PARLEY_PASSWORD"])
        with open(env["PARLEY_FILE"], "rb") as f:
            content = f.read()
        if content.isascii():  # of text it mends the line ends, octets it leaves alone
            content = content.decode()
        options = [] if (env["PARLEY_FROM"] + env["PARLEY_RCPTS"]).isascii() else ["SMTPUTF8"]
        refused = client.sendmail(env["PARLEY_FROM"], env["PARLEY_RCPTS"].split(","), content, options)
    finally:
        leave(client)
    return max((sort(code) for code, _ in refused.values()), default=0)


try:
    sys.exit(run())
except smtplib.SMTPNotSupportedError as e:
    print(e, file=sys.stderr)
    sys.exit(78)
except smtplib.SMTPRecipientsRefused as e:
    print(e, file=sys.stderr)
    sys.exit(min(sort(code) for code, _ in e.recipients.values()))
except smtplib.SMTPResponseException as e:
    print(repr(e), file=sys.stderr)
    sys.exit(sort(e.smtp_code))
except (smtplib.SMTPException, OSError) as e:
    print(repr(e), file=sys.stderr)
    sys.exit(75)
except ValueError as e:
    if isinstance(e, binascii.Error):  # it is the server that has said something odd
        raise
    print(e, file=sys.stderr)  # what was handed over cannot be said
    sys.exit(65)
