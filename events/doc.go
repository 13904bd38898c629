// Package events says what happens in a session, as it happens.
//
// An [Event] is one fact in a small struct. A [Bus] hands each event to its
// subscribers, in order, on the goroutine that publishes; nothing is queued, no
// goroutine is started and, while nobody listens, nothing is built. Who wants to be
// slow, or to be called on a goroutine of his own, wraps himself: [Queue] keeps
// events until they are asked for, [Async] hands them to a goroutine.
//
// Events are borrowed. The struct, and every slice in it, is valid until the handler
// returns and is overwritten afterwards; [Clone] makes one to keep.
//
// Secrets never enter: the whole of an AUTH exchange is masked where the event is
// made, and the content of messages is not in any event but [Transfer].
//
// The package knows no I/O and no clock. Order within a session is given by
// [Meta].Seq; who wants times reads the clock in his handler.
package events
