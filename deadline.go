package parley

import "time"

// deadline is one of a connection's two, for reads or for writes, by clock. The zero value
// is one that is not known.
type deadline struct{ set, until time.Duration }

// clock tells the time by which things here are done: it never goes back, and is always
// long after 0. It takes half of what reading the time of day does.
func clock() time.Duration { return time.Since(epoch) }

// epoch is before every time that a test's clock may start at.
var epoch = time.Now().Add(-50 * 365 * 24 * time.Hour)

// longAgo as a deadline interrupts reads and writes.
var longAgo = time.Unix(1, 0)

// serves reports whether the deadline will do for a wait of d that begins now: it is not
// later, and was set less than a second ago. Setting one costs more than the second is
// worth.
func (l deadline) serves(now, d time.Duration) bool {
	return l.until != 0 && l.until <= now+d && now-l.set < min(time.Second, d/4)
}

// armRead sees to it that a read ends in d at the latest, and returns when that is. It may
// end sooner, which early tells: commands that take turns need no deadline each.
func (c *Conn) armRead(d time.Duration) time.Duration {
	now := clock()
	if !c.readArmed.serves(now, d) {
		c.setRead(now, d)
	}
	return now + d
}

// early reports whether a read has ended before it was due. It has all of its time then.
func (c *Conn) early(due time.Duration) bool {
	now := clock()
	return now < due && c.setRead(now, due-now)
}

// armWrite sees to it that a write ends in d at the latest.
func (c *Conn) armWrite(d time.Duration) {
	if now := clock(); !c.writeArmed.serves(now, d) {
		c.setWrite(now, d)
	}
}

// left is how much of d is left until all has to be over.
func (c *Conn) left(d time.Duration) time.Duration {
	if c.until != 0 {
		return min(d, c.until-clock())
	}
	return d
}

// unarmed says that the deadlines are not known any more.
func (c *Conn) unarmed() {
	if c.gear != nil {
		c.readArmed, c.writeArmed = deadline{}, deadline{}
	}
}
