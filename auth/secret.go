package auth

import (
	"crypto/subtle"
	"fmt"
	"io"
	"log/slog"
)

// mask stands in for a secret wherever one is printed. It does not tell the
// secret's length, nor whether there is one.
const mask = "[secret]"

// Secret is a password or token that does not print: fmt in every verb, slog,
// and the text and JSON encoders show "[secret]". The value sits in a closure,
// so reflection does not reach it either, not even through an unexported field,
// where fmt does not call methods. The zero value is no secret.
//
// A Secret guards against accidents, not against code in the same process.
type Secret struct {
	reveal func() string
}

// NewSecret wraps a password or token. The empty string gives the zero Secret.
func NewSecret(s string) Secret {
	if s == "" {
		return Secret{}
	}
	return Secret{reveal: func() string { return s }}
}

// Reveal returns the secret itself.
func (s Secret) Reveal() string {
	if s.reveal == nil {
		return ""
	}
	return s.reveal()
}

// IsZero reports whether there is no secret.
func (s Secret) IsZero() bool { return s.reveal == nil }

// Equal compares two secrets in time that depends on their lengths only.
func (s Secret) Equal(other Secret) bool {
	return subtle.ConstantTimeCompare([]byte(s.Reveal()), []byte(other.Reveal())) == 1
}

// String returns the mask.
func (s Secret) String() string { return mask }

// GoString returns the mask.
func (s Secret) GoString() string { return mask }

// Format writes the mask for every verb, %x and %q too.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, mask) }

// LogValue returns the mask.
func (s Secret) LogValue() slog.Value { return slog.StringValue(mask) }

// MarshalText returns the mask; encoding/json uses it too.
func (s Secret) MarshalText() ([]byte, error) { return []byte(mask), nil }

// UnmarshalText sets the secret, so that a configuration file may hold one.
// Writing the configuration out again writes the mask.
func (s *Secret) UnmarshalText(text []byte) error {
	*s = NewSecret(string(text))
	return nil
}
