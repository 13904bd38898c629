package main

import (
	"crypto/tls"

	"github.com/parley-mail/parley/events"
)

func tlsSummary(e *events.Secured) string {
	s := tls.VersionName(e.Version) + ", " + tls.CipherSuiteName(e.CipherSuite)
	if e.Verified {
		return s + ", certificate verified"
	}
	return s + ", certificate NOT verified"
}
