// Package cube delivers by every way there is into a mail server: through each port, by
// each mechanism, in each mode of sending content, with each TLS engine; and writes down
// what became of it.
//
// # What it knows
//
// A way is a [Cell]. Whether it can exist is read from what the server offers on the port,
// and a cell that cannot says why. Every other cell has a connection of its own, delivers,
// and is held to what arrived: each octet of each message, once. There is no third kind
// but failure.
//
// # What it refuses to know
//
// How servers are started (package peers), and Kerberos, which a module of its own brings
// in as a [Login].
//
// A [Server] is data and lists its ports; [Server.Jobs] makes the cells of it; a [Courier]
// carries out any list of jobs, those of a table of proxies too; a [Report] collects the
// tables and is the Markdown of docs/interop.md.
package cube
