// Package queue keeps messages in a directory until they are sent, and survives being
// killed at any moment.
//
// # What it knows
//
// A file per message: the envelope in a line of JSON, an empty line, and the exact octets
// of the message. The file's extension is what has become of it:
//
//	NAME.queued     waits
//	NAME.sending    is being sent; the end of the content has not gone out
//	NAME.offering   the end of the content may have gone out: nobody knows yet
//	NAME.sent       was accepted for everybody (kept only if asked for)
//	NAME.failed     was refused, for those recipients that are still in it
//	NAME.unknown    the end went out and no word came back; it is never sent by itself
//
// Beside a failed or unknown file NAME.reason says why, for people.
//
// # What it refuses to know
//
// SMTP, servers, and when to try again. It hands messages to a [Sender] and believes what
// that says of each recipient.
//
// # Theory of operation
//
// A message is there from the moment that its complete file has been given its name, and
// both are on disk. Whoever renames it to .sending owns it; who loses that race takes the
// next one, so any number of processes may work in one directory. The last octet of the
// content is only handed over when the name is .offering and that is on disk. So after a
// crash the name tells the truth: what is .sending was surely not accepted and may be sent
// again, what is .offering may have been, and must not be ([Recover]).
//
// Names in a directory are all that is believed: no path in a file says where anything is
// written, and symbolic links are not followed.
package queue
