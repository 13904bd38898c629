package codec

// Decoder cuts a stream of octets into replies.
type Decoder struct{ err error }

// Reset forgets everything but the memory.
func (d *Decoder) Reset(l Limits, strict bool) {}

// SetLineLimit changes the limit on a line; 0 restores the one given to Reset.
func (d *Decoder) SetLineLimit(n int) {}

// Feed copies p behind what is buffered.
func (d *Decoder) Feed(p []byte) {}

// Next returns the next complete reply, or nil if more octets are needed.
func (d *Decoder) Next() (*Reply, error) { return nil, d.err }

// Buffered returns how many octets were fed and are not part of a returned reply.
func (d *Decoder) Buffered() int { return 0 }

// PartialReply reports whether a line of an unfinished reply has been seen.
func (d *Decoder) PartialReply() bool { return false }

// Unfinished returns the beginning of what is buffered.
func (d *Decoder) Unfinished() []byte { return nil }

// Blank reports that all there is in the buffer is one tolerated empty line.
func (d *Decoder) Blank() bool { return false }

// Release gives the memory back if nothing is buffered.
func (d *Decoder) Release() {}

// Hint guesses what protocol a line is from.
func Hint(line []byte) string { return "" }
