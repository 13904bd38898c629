package auth

import (
	"cmp"
	"encoding/base64"
	"slices"
	"strings"
)

// maxServerText is how much of a server's text an Error keeps, in octets.
const maxServerText = 1024

// minSecret is the shortest secret that is looked for. Striking out every "a"
// would itself tell the secret.
const minSecret = 3

// redact strikes the secrets out of a server's text, for a server can echo
// what it was told, and cuts it. Struck out are the credentials and what the
// mechanism computed from them, plain or inside base64.
func (g *guard) redact(text string) string {
	if text == "" {
		return ""
	}
	secrets := g.creds.secrets(&g.policy)
	if m, ok := g.run.(interface{ secrets() []string }); ok {
		secrets = append(secrets, m.secrets()...)
	}
	var shapes []string
	for _, s := range secrets {
		if len(s) >= minSecret {
			shapes = append(shapes, s)
			shapes = append(shapes, inBase64(s)...)
		}
	}
	// The longest first, so that no part of it is struck out before the whole.
	slices.SortFunc(shapes, func(a, b string) int { return cmp.Compare(len(b), len(a)) })
	for _, s := range slices.Compact(shapes) {
		text = strings.ReplaceAll(text, s, mask)
	}
	return clip(text, maxServerText)
}

// inBase64 returns what a text looks like inside longer base64, at each of the
// three ways it can fall on groups of three octets. The characters that depend
// on the neighbours are left off.
func inBase64(s string) []string {
	shapes := make([]string, 3)
	for shift := range shapes {
		encoded := base64.RawStdEncoding.EncodeToString([]byte("\x00\x00"[:shift] + s))
		if shift > 0 {
			encoded = encoded[shift+1:]
		}
		if (shift+len(s))%3 != 0 {
			encoded = encoded[:len(encoded)-1]
		}
		shapes[shift] = encoded
	}
	return shapes
}
