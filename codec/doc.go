// Package codec turns octets into replies and commands into octets.
//
// # What it knows
//
// The syntax of replies (RFC 5321 §4.2), of the lines of an EHLO reply and of enhanced
// status codes; the syntax of every command and parameter a client sends, with the
// limits on their length; transparency and line ends of the content (RFC 5321 §2.3.8,
// §4.5.2). What may be odd about a reply has a name, an [Anomaly].
//
// # What it refuses to know
//
// Which command a reply answers, which command is legal now, what was offered, what
// a reply means, sockets and clocks. It parses a reply's text for nothing: the code
// decides (RFC 5321 §4.2). Two functions read text on request, [ParseEnhanced] and
// [Extensions.Parse].
//
// # Theory of operation
//
// From the server: a [Decoder] is fed with octets as they come and gives back complete
// replies. Any split of a stream gives the same replies, the same anomalies and the
// same error at the same offset, because a line is judged only when its LF is there or
// when it has reached a limit. No octet is searched for a line end twice, and no more is kept than the
// limits allow, so that a server can neither stall nor fill a client. The lenient
// profile lets named anomalies pass and notes them in the reply; the strict profile
// makes each of them an error. What would leave it open which command the next reply
// belongs to (no code, a limit exceeded) is an error in both, and final.
//
// To the server: every appender checks every argument for octets that could end a
// line, a path or a parameter, and either appends one whole command line or nothing.
// So does the content: [Stuffer] and [Normalizer] let no CR and no LF out but in pairs,
// whatever the borders of the pieces they are given, and a Stuffer that has met an
// error gives no terminator any more: a message that was cut short cannot be taken for
// a whole one.
//
// Nothing here is safe for concurrent use, and nothing starts a goroutine.
package codec
