package conformance

// Harmless is an engine behind a liar that tells no lie.
var Harmless = Mutant{Name: "harmless", Options: Options{Make: fault{reply: same, sent: func(_ *faulty, p []byte) []byte { return p }}.make}}

// Caught is whether a test that holds the requirement finds a fault in the source.
var Caught = Requirement.caught
