// Package parley speaks SMTP and LMTP as a client, and says truthfully what became of a
// message.
//
// # Sending
//
// An [Endpoint] says where a server is and how to talk to it, [Dial] opens a session, and
// [Conn.Deliver] hands a message over:
//
//	e, err := parley.ParseEndpoint("submission://alice@smtp.example")
//	…
//	c, err := parley.Dial(ctx, e)
//	…
//	result, err := c.Deliver(ctx, &parley.Mail{Envelope: env, Content: message.FromBytes(b)})
//	c.Quit(ctx)
//
// [SMTP] is the same as a class with properties: one object, fields to set, Send. Package
// queue keeps messages in a directory until they are sent.
//
// # What became of it
//
// The [Result] has an entry for each recipient: Accepted, Refused with the server's reply,
// NotSent, or Unknown. Unknown means that the end of the content went out and no word came
// back (RFC 5321 §4.2.5, RFC 1047); such a message may have been delivered and must not be
// sent again blindly. Nothing that happens after the accepting reply changes an outcome.
//
// Errors are [*Error]: by whom ([Kind]), in which state, at which command, with which
// reply. Temporary tells whether a queue may try again, Ambiguous whether the message may
// have been accepted all the same.
//
// # What is safe by default
//
// Certificates are verified and TLS 1.2 is the least. What TLSStartTLS and TLSImplicit
// demand and cannot get is an error, never a session in clear. No password leaves on a clear
// link or to a server that was not verified, unless the policy says so in words. Content
// never carries a bare CR or LF, arguments cannot inject commands, everything a server may
// send has a limit, and every wait has a timer and heeds the context.
//
// # How it works
//
// The dialogue is one table, in package fsm. Package session decides what to say by it and
// does no input or output; [Conn] here has the connection, the clock and the context. Two
// machines run the table: fsm.Compiled, an array, is what a Conn uses unless
// Endpoint.Session.Machine names another; SMTP runs fsm.Looplab, which can be looked at.
// Events of everything that happens go to Endpoint.Events, and cost nothing while nobody
// listens.
package parley
