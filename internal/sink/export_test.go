package sink

// Scanned is what the scanner made of some octets.
type Scanned struct {
	Content   string
	Taken     int
	End, Bare bool
}

// Scan gives octets to the scanner in pieces of some size.
func Scan(wire []byte, size int) Scanned {
	var sc scanner
	var out Scanned
	for len(wire) > 0 && !out.End {
		piece := wire[:min(size, len(wire))]
		var n int
		n, out.End = sc.scan(piece, func(p []byte) { out.Content += string(p) })
		out.Taken += n
		wire = wire[n:]
	}
	out.Bare = sc.bare
	return out
}
