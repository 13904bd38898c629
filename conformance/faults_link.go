package conformance

// linkFaults are about authentication, TLS and the way to the server.
var linkFaults = []namedFault{}
