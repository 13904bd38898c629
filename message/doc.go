// Package message is what a mail transaction carries: paths and envelopes
// (RFC 5321), address lists and header fields (RFC 5322), and contents, composed
// (RFC 2045 and its companions) or given raw.
//
// # What it knows
//
// How a mailbox is written on the wire, how a header field is encoded and folded,
// which content transfer encoding a part needs for a given transport, and what a
// content demands of the server: 8BITMIME, BINARYMIME, SMTPUTF8, SIZE.
//
// # What it refuses to know
//
// Sessions, replies, servers and retries; dot-stuffing and chunking, which belong
// to package codec; and the meaning of what it carries.
//
// # Theory of operation
//
// Text of the caller becomes a typed value before anything is written: a mailbox
// becomes a [Path], a list of them an [AddressList], a header field's value is
// checked octet by octet. Only typed values are serialised, so that no CR, LF, NUL,
// angle bracket or look-alike of one can turn data into syntax. Nothing is ever
// narrowed from a rune to an octet: what an encoding cannot express is an error.
//
// A composed [Message] is turned into a [Content]: a list of segments, most in
// memory, attachments as readers. Random material and the date are drawn once, when
// the list is made, so a content can be opened again and gives the same octets. Its
// size and [Features] are computed from the list, without reading attachments,
// where their sizes are known.
package message
