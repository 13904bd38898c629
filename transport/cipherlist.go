package transport

import (
	"cmp"
	"crypto/tls"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// ParseCipherList reads a list in the syntax of OpenSSL's "ciphers": suites by their
// OpenSSL or IANA names and by aliases (HIGH, ECDHE, AESGCM, CHACHA20, SHA256…), joined
// with "+" to mean all of them at once, separated by ":", ",", ";" or blanks. "!" before a
// word removes for good, "-" removes, "+" moves to the end, "@STRENGTH" sorts by bits,
// "@SECLEVEL=n" removes ciphers that are too weak for that level.
//
// Only suites that Go has can come out, in OpenSSL's order where the list does not say
// otherwise. Suites of TLS 1.3 are in front and always there, as with OpenSSL, unless "!"
// removes them. DEFAULT, ALL, HIGH and MEDIUM do not mean suites that Go calls insecure
// (RSA key exchange, CBC with SHA-256), and RC4 and 3DES come in by their own names only.
// Suites and aliases of OpenSSL's that Go does not have mean nothing. A word that nobody
// knows, and a list that leaves nothing, are errors.
func ParseCipherList(list string) ([]uint16, error) {
	var p cipherList
	list = strings.ReplaceAll(list, "@", ":@")
	for i, word := range strings.FieldsFunc(list, func(r rune) bool { return strings.ContainsRune(":,; ", r) }) {
		if err := p.word(word, i == 0); err != nil {
			return nil, fmt.Errorf("transport: cipher list: %w", err)
		}
	}
	if len(p.chosen) == 0 {
		return nil, fmt.Errorf("transport: cipher list: %s leaves no suite", strconv.QuoteToASCII(clip(list, 128)))
	}
	var out []uint16
	for _, f := range cipherFacts() {
		if isSuite13(f.id) && !slices.Contains(p.banned, f.id) {
			out = append(out, f.id)
		}
	}
	return append(out, slices.DeleteFunc(p.chosen, isSuite13)...), nil
}

// cipherList is a list as far as it has been read.
type cipherList struct {
	chosen, banned []uint16
}

func (p *cipherList) word(word string, first bool) error {
	quoted := strconv.QuoteToASCII(clip(word, 64))
	switch {
	case word == "DEFAULT" || word == "COMPLEMENTOFDEFAULT":
		if !first {
			return fmt.Errorf("%s comes first or not at all", word)
		}
		if word == "DEFAULT" {
			p.chosen, _, _ = matching("ALL")
		}
		return nil
	case word == "@STRENGTH":
		slices.SortStableFunc(p.chosen, func(a, b uint16) int { return cmp.Compare(SuiteBits(b), SuiteBits(a)) })
		return nil
	case strings.HasPrefix(word, "@SECLEVEL="):
		levels := []int{0, 80, 112, 128, 192, 256} // bits
		n, err := strconv.Atoi(word[len("@SECLEVEL="):])
		if err != nil || n < 0 || n >= len(levels) {
			return fmt.Errorf("no such security level: %s", quoted)
		}
		p.ban(slices.DeleteFunc(allSuites(), func(id uint16) bool { return SuiteBits(id) >= levels[n] }))
		return nil
	case word[0] == '@':
		return fmt.Errorf("nobody knows the command %s", quoted)
	}
	op, name := byte(0), word
	if strings.IndexByte("!-+", word[0]) >= 0 {
		op, name = word[0], word[1:]
	}
	matches, weak, known := matching(name)
	if !known {
		return fmt.Errorf("nobody answers to %s", quoted)
	}
	in := func(list []uint16) func(uint16) bool {
		return func(id uint16) bool { return slices.Contains(list, id) }
	}
	if op != 0 {
		matches = append(matches, weak...)
	}
	switch op {
	case 0:
		for _, id := range matches {
			if !in(p.chosen)(id) && !in(p.banned)(id) {
				p.chosen = append(p.chosen, id)
			}
		}
	case '!':
		p.ban(matches)
	case '-':
		p.chosen = slices.DeleteFunc(p.chosen, in(matches))
	case '+':
		moved := slices.DeleteFunc(slices.Clone(p.chosen), func(id uint16) bool { return !in(matches)(id) })
		p.chosen = append(slices.DeleteFunc(p.chosen, in(matches)), moved...)
	}
	return nil
}

func (p *cipherList) ban(ids []uint16) {
	p.banned = append(p.banned, ids...)
	p.chosen = slices.DeleteFunc(p.chosen, func(id uint16) bool { return slices.Contains(ids, id) })
}

// cipherOrder is OpenSSL's order of the suites that Go has.
var cipherOrder = []uint16{
	tls.TLS_AES_256_GCM_SHA384, tls.TLS_CHACHA20_POLY1305_SHA256, tls.TLS_AES_128_GCM_SHA256,
	tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
	tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
	tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
	tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256,
	tls.TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA, tls.TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA,
	tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA, tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA,
	tls.TLS_RSA_WITH_AES_256_GCM_SHA384, tls.TLS_RSA_WITH_AES_128_GCM_SHA256, tls.TLS_RSA_WITH_AES_128_CBC_SHA256,
	tls.TLS_RSA_WITH_AES_256_CBC_SHA, tls.TLS_RSA_WITH_AES_128_CBC_SHA,
	tls.TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA, tls.TLS_RSA_WITH_3DES_EDE_CBC_SHA,
	tls.TLS_ECDHE_ECDSA_WITH_RC4_128_SHA, tls.TLS_ECDHE_RSA_WITH_RC4_128_SHA, tls.TLS_RSA_WITH_RC4_128_SHA,
}

func allSuites() []uint16 { return slices.Clone(cipherOrder) }

// cipherFact is a suite and the words that mean it.
type cipherFact struct {
	id    uint16
	names []string // of the suite alone
	words []string // aliases
	last  bool     // RC4 or 3DES
}

// cipherFacts is what is known about each suite, in OpenSSL's order.
var cipherFacts = sync.OnceValue(func() []cipherFact {
	insecure := map[uint16]bool{}
	for _, s := range tls.InsecureCipherSuites() {
		insecure[s.ID] = true
	}
	var all []cipherFact
	for _, id := range cipherOrder {
		name := tls.CipherSuiteName(id)
		f := cipherFact{id: id, names: []string{name, opensslName(name)}}
		has := func(part string) bool { return strings.Contains(name, part) }
		word := func(ok bool, words ...string) {
			if ok {
				f.words = append(f.words, words...)
			}
		}
		aead, ecdhe := has("GCM") || has("CHACHA20"), has("ECDHE_")
		f.last = has("RC4") || has("3DES")
		word(isSuite13(id), "TLSv1.3")
		word(!isSuite13(id) && (aead || has("CBC_SHA256")), "TLSv1.2")
		word(!aead && !has("CBC_SHA256") && ecdhe, "TLSv1.0", "TLSv1")
		word(!aead && !has("CBC_SHA256") && !ecdhe, "SSLv3")
		word(ecdhe, "ECDHE", "EECDH", "kECDHE", "kEECDH")
		word(has("_ECDSA_"), "ECDSA", "aECDSA")
		word(has("_RSA_"), "aRSA")
		word(has("TLS_RSA_"), "RSA", "kRSA")
		word(has("AES_128"), "AES128", "AES")
		word(has("AES_256"), "AES256", "AES")
		word(has("GCM"), "AESGCM")
		word(has("CHACHA20"), "CHACHA20")
		word(has("3DES"), "3DES")
		word(has("RC4"), "RC4")
		// Of the MAC, which the authenticated ciphers do not have.
		word(strings.HasSuffix(name, "_SHA"), "SHA1", "SHA")
		word(strings.HasSuffix(name, "_CBC_SHA256"), "SHA256")
		word(!insecure[id], "ALL")
		word(!insecure[id] && SuiteBits(id) >= 128, "HIGH")
		all = append(all, f)
	}
	return all
})

// absent are aliases of OpenSSL's for what Go does not have, or not under so broad a
// name: they mean nothing here, and are no mistake.
var absent = []string{
	"aNULL", "eNULL", "NULL", "EXPORT", "EXP", "LOW", "MEDIUM", "DES", "MD5", "SHA384", "PSK", "aPSK", "kPSK", "kDHEPSK", "kECDHEPSK", "kRSAPSK",
	"SRP", "kSRP", "aSRP", "DSS", "aDSS", "DH", "ADH", "AECDH", "DHE", "EDH", "kDHE", "kEDH", "kECDH", "aECDH", "CAMELLIA", "CAMELLIA128",
	"CAMELLIA256", "ARIA", "ARIA128", "ARIA256", "ARIAGCM", "SEED", "IDEA", "RC2", "AESCCM", "AESCCM8", "GOST", "aGOST", "kGOST", "COMPLEMENTOFALL",
}

// parts are what OpenSSL's names of suites are made of.
var parts = strings.Fields(`ECDHE DHE EDH ECDH DH ADH AECDH RSA ECDSA DSS PSK SRP NULL AES128 AES256 CAMELLIA128 CAMELLIA256 ARIA128 ARIA256 ARIA
	CHACHA20 POLY1305 GCM CCM CCM8 CBC CBC3 DES RC4 RC2 SEED IDEA MD5 SHA SHA256 SHA384 EXP 3DES EDE 128 256`)

// matching returns the suites that all words joined by "+" mean, apart from them those
// that must be named to come in.
func matching(name string) (ids, weak []uint16, known bool) {
	words := strings.Split(name, "+")
	means := func(f cipherFact, word string) bool {
		return slices.Contains(f.names, word) || slices.Contains(f.words, word)
	}
	named := false // RC4 and 3DES are meant
	for _, word := range words {
		known = slices.Contains(absent, word) || isAbsentSuite(word)
		for _, f := range cipherFacts() {
			if means(f, word) {
				known = true
				named = named || f.last && (slices.Contains(f.names, word) || word == "RC4" || word == "3DES")
			}
		}
		if !known {
			return nil, nil, false
		}
	}
	for _, f := range cipherFacts() {
		switch every := !slices.ContainsFunc(words, func(word string) bool { return !means(f, word) }); {
		case every && f.last && !named:
			weak = append(weak, f.id)
		case every:
			ids = append(ids, f.id)
		}
	}
	return ids, weak, true
}

// isAbsentSuite tells the names of suites that OpenSSL has, or had, and Go has not.
func isAbsentSuite(name string) bool {
	words := strings.Split(name, "-")
	return len(words) > 1 && !slices.ContainsFunc(words, func(w string) bool { return !slices.Contains(parts, w) })
}

// opensslName turns an IANA name into OpenSSL's.
func opensslName(iana string) string {
	s := strings.TrimPrefix(iana, "TLS_")
	if !strings.Contains(s, "WITH") {
		return iana
	}
	s = strings.NewReplacer(
		"_WITH_", "-", "AES_128_", "AES128-", "AES_256_", "AES256-", "CHACHA20_POLY1305_SHA256", "CHACHA20-POLY1305", "CHACHA20_POLY1305", "CHACHA20-POLY1305",
		"3DES_EDE_CBC_", "DES-CBC3-", "RC4_128_", "RC4-", "CBC_", "", "GCM_", "GCM-", "ECDHE_", "ECDHE-",
	).Replace(s)
	s = strings.ReplaceAll(s, "_", "-")
	if !strings.HasPrefix(s, "ECDHE-") {
		s = strings.TrimPrefix(s, "RSA-") // its key exchange goes without saying
	}
	return s
}
