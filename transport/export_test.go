package transport

// Alike reports whether links may share a description.
func Alike(s, t *Security) bool { return s.alike(t) }
