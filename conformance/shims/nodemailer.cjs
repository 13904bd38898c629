#!/bin/sh
':' //; t=${PARLEY_PEERS:-/var/cache/parley-peers}/nodemailer; export NODE_PATH="$t/usr/share/nodejs"
':' //; command -v node >/dev/null || export PATH="$PATH:$t/usr/bin" LD_LIBRARY_PATH="$(echo "$t"/usr/lib/*-linux-gnu*)"
':' //; exec node "$0" "$@"
// nodemailer, once: see README.md for what is handed over and the exit codes.
'use strict';

const fs = require('fs');
const nodemailer = require('nodemailer');

const env = process.env;
if (env.PARLEY_TOKEN) process.exit(89);

const named = ['none', 'any'].includes(env.PARLEY_AUTH || 'none') ? [] : env.PARLEY_AUTH.split(',');
const known = named.filter((m) => ['PLAIN', 'LOGIN', 'CRAM-MD5'].includes(m));
if (named.length && !known.length) process.exit(89);

const timeout = 1000 * (env.PARLEY_TIMEOUT || 30);
const transport = nodemailer.createTransport({
  host: process.argv[2] || env.PARLEY_HOST,
  port: Number(process.argv[3] || env.PARLEY_PORT),
  name: env.PARLEY_HELLO,
  lmtp: env.PARLEY_PROTO === 'lmtp',
  secure: env.PARLEY_TLS === 'implicit',
  requireTLS: env.PARLEY_TLS === 'starttls',
  ignoreTLS: (env.PARLEY_TLS || 'none') === 'none',
  tls: env.PARLEY_CA ? { ca: fs.readFileSync(env.PARLEY_CA) } : {},
  auth: env.PARLEY_USER ? { user: env.PARLEY_USER, pass: env.PARLEY_PASSWORD } : undefined,
  authMethod: known[0],
  connectionTimeout: timeout,
  greetingTimeout: timeout,
  socketTimeout: timeout,
});
const sort = (code) => (code >= 500 && code <= 599 ? 69 : 75);

transport
  .sendMail({
    envelope: { from: env.PARLEY_FROM, to: env.PARLEY_RCPTS.split(',') },
    raw: fs.createReadStream(env.PARLEY_FILE),
  })
  .then((info) => {
    const codes = (info.rejectedErrors || []).map((e) => sort(e.responseCode));
    if (info.rejected.length > codes.length) codes.push(75); // LMTP: it does not tell why
    process.exitCode = Math.max(0, ...codes);
  })
  .catch((err) => {
    console.error(`${err.code} ${err.message}`);
    process.exitCode = sort(err.responseCode);
  })
  .finally(() => transport.close());
