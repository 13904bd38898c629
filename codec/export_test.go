package codec

// NextLong is Next without its short ways.
func (d *Decoder) NextLong() (*Reply, error) { return d.next() }
