package conformance

// mailFaults are about RFC 5321 beside the core: paths, greetings, replies to single commands.
var mailFaults = []namedFault{}
