// Sends a load by nodemailer: the flags of the other clients, the same line.
"use strict";

const fs = require("fs");
const nodemailer = require("nodemailer");

const a = { messages: 1000, rcpts: 1 };
for (let i = 2; i < process.argv.length; i++) {
  const name = process.argv[i].replace(/^--/, "").replace(/-/g, "_");
  a[name] = name === "reconnect" ? true : process.argv[++i];
}
const at = a.addr.lastIndexOf(":");
const options = {
  host: a.addr.slice(0, at),
  port: Number(a.addr.slice(at + 1)),
  name: "client.example",
  ignoreTLS: true,
  pool: !a.reconnect,
  maxConnections: 1,
  maxMessages: Infinity,
};
const to = Array.from({ length: Number(a.rcpts) }, (_, i) => `recipient${i}@mx.example`);
const mail = { envelope: { from: "sender@client.example", to }, raw: fs.readFileSync(a.body_file) };
const transport = nodemailer.createTransport(options);

async function send(n) {
  for (let i = 0; i < n; i++) await transport.sendMail(mail);
}

async function main() {
  await send(mail.raw.length < 1 << 20 ? 4 : 1);
  const before = process.cpuUsage();
  const start = process.hrtime.bigint();
  await send(Number(a.messages));
  const seconds = Number(process.hrtime.bigint() - start) / 1e9;
  const used = process.cpuUsage(before);
  transport.close();
  console.log(JSON.stringify({ seconds, messages: Number(a.messages), cpu_user: used.user / 1e6, cpu_sys: used.system / 1e6 }));
}

main().catch((err) => {
  console.error(String(err));
  process.exit(1);
});
