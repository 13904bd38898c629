package conformance

// extensionFaults are about extensions: what is asked for, when, and how content goes out.
var extensionFaults = []namedFault{}
