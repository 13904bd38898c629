package transport

import (
	"cmp"
	"crypto/tls"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// ParseCipherList reads a list in the syntax of OpenSSL's "ciphers": suites by their
// OpenSSL or IANA names and by aliases (HIGH, ECDHE, AESGCM, CHACHA20, SHA256…), joined
// with "+" to mean all of them at once, separated by ":", "," or blanks. "!" before a
// word removes for good, "-" removes, "+" moves to the end, "@STRENGTH" sorts by bits.
// Only suites that Go has can come out, those of TLS 1.3 in front. A word that nothing
// answers to, and a list that leaves nothing, are errors.
func ParseCipherList(list string) ([]uint16, error) {
	all := cipherFacts()
	var chosen, banned []uint16
	words := strings.FieldsFunc(list, func(r rune) bool { return r == ':' || r == ',' || r == ' ' || r == ';' })
	for i, word := range words {
		if word == "DEFAULT" || word == "COMPLEMENTOFDEFAULT" {
			if i > 0 {
				return nil, fmt.Errorf("transport: cipher list: %s comes first or not at all", word)
			}
			if word == "DEFAULT" {
				for _, f := range all {
					if !f.insecure {
						chosen = append(chosen, f.id)
					}
				}
			}
			continue
		}
		if word == "@STRENGTH" {
			slices.SortStableFunc(chosen, func(a, b uint16) int { return cmp.Compare(SuiteBits(b), SuiteBits(a)) })
			continue
		}
		if strings.HasPrefix(word, "@") {
			return nil, fmt.Errorf("transport: cipher list: nobody knows the command %s", strconv.QuoteToASCII(clip(word, 64)))
		}
		op, name := byte(0), word
		if strings.ContainsRune("!-+", rune(word[0])) {
			op, name = word[0], word[1:]
		}
		matches, known := matching(all, name)
		if !known {
			return nil, fmt.Errorf("transport: cipher list: nobody answers to %s", strconv.QuoteToASCII(clip(name, 64)))
		}
		in := func(list []uint16) func(uint16) bool {
			return func(id uint16) bool { return slices.Contains(list, id) }
		}
		switch op {
		case 0:
			for _, id := range matches {
				if !in(chosen)(id) && !in(banned)(id) {
					chosen = append(chosen, id)
				}
			}
		case '!':
			banned = append(banned, matches...)
			chosen = slices.DeleteFunc(chosen, in(matches))
		case '-':
			chosen = slices.DeleteFunc(chosen, in(matches))
		case '+':
			moved := slices.DeleteFunc(slices.Clone(chosen), func(id uint16) bool { return !in(matches)(id) })
			chosen = append(slices.DeleteFunc(chosen, in(matches)), moved...)
		}
	}
	if len(chosen) == 0 {
		return nil, fmt.Errorf("transport: cipher list: %s leaves no suite", strconv.QuoteToASCII(clip(list, 128)))
	}
	var first []uint16 // TLS 1.3's suites are not the list's to take away
	for _, f := range all {
		if isSuite13(f.id) && !slices.Contains(banned, f.id) {
			first = append(first, f.id)
		}
	}
	return append(first, slices.DeleteFunc(chosen, isSuite13)...), nil
}

// cipherFact is a suite and the words that mean it.
type cipherFact struct {
	id       uint16
	insecure bool
	words    []string
}

// cipherFacts are Go's suites, the best first.
func cipherFacts() []cipherFact {
	var all []cipherFact
	add := func(s *tls.CipherSuite) {
		f := cipherFact{id: s.ID, insecure: s.Insecure, words: []string{s.Name, opensslName(s.Name), "ALL"}}
		has := func(part string) bool { return strings.Contains(s.Name, part) }
		word := func(ok bool, words ...string) {
			if ok {
				f.words = append(f.words, words...)
			}
		}
		bits := SuiteBits(s.ID)
		word(isSuite13(s.ID), "TLSv1.3")
		word(!isSuite13(s.ID) && (has("GCM") || has("CHACHA20") || has("CBC_SHA256")), "TLSv1.2")
		word(!isSuite13(s.ID) && !has("GCM") && !has("CHACHA20") && !has("CBC_SHA256"), "TLSv1.0", "TLSv1", "SSLv3")
		word(has("ECDHE_"), "ECDHE", "EECDH", "kECDHE", "kEECDH")
		word(has("_ECDSA_"), "ECDSA", "aECDSA")
		word(has("_RSA_"), "aRSA")
		word(has("TLS_RSA_"), "RSA", "kRSA")
		word(has("AES_128"), "AES128", "AES")
		word(has("AES_256"), "AES256", "AES")
		word(has("GCM"), "AESGCM")
		word(has("CHACHA20"), "CHACHA20")
		word(has("3DES"), "3DES")
		word(has("RC4"), "RC4")
		word(strings.HasSuffix(s.Name, "_SHA"), "SHA1", "SHA")
		word(strings.HasSuffix(s.Name, "CBC_SHA256") || has("GCM_SHA256") || has("POLY1305_SHA256"), "SHA256")
		word(strings.HasSuffix(s.Name, "_SHA384"), "SHA384")
		word(bits >= 128 && !has("RC4"), "HIGH")
		word(bits == 112 || has("RC4"), "MEDIUM")
		all = append(all, f)
	}
	for _, s := range tls.CipherSuites() {
		add(s)
	}
	for _, s := range tls.InsecureCipherSuites() {
		add(s)
	}
	return all
}

// absent are aliases of OpenSSL's for what Go does not have: they mean nothing here, and
// are no mistake.
var absent = []string{
	"aNULL", "eNULL", "NULL", "EXPORT", "EXP", "LOW", "DES", "MD5", "PSK", "aPSK", "kPSK", "SRP", "kSRP", "aSRP", "DSS", "aDSS",
	"DH", "ADH", "AECDH", "DHE", "EDH", "kDHE", "kEDH", "CAMELLIA", "ARIA", "SEED", "IDEA", "RC2", "AESCCM", "AESCCM8", "GOST", "kECDH", "aECDH",
}

// matching returns the suites that all words joined by "+" mean.
func matching(all []cipherFact, name string) (ids []uint16, known bool) {
	parts := strings.Split(name, "+")
	for _, part := range parts {
		known = slices.Contains(absent, part)
		for _, f := range all {
			known = known || slices.Contains(f.words, part)
		}
		if !known {
			return nil, false
		}
	}
	for _, f := range all {
		every := !slices.ContainsFunc(parts, func(part string) bool { return !slices.Contains(f.words, part) })
		// What is insecure comes in by its own name, or by the name of its cipher.
		if every && (!f.insecure || !slices.Contains([]string{"ALL", "HIGH", "MEDIUM"}, name)) {
			ids = append(ids, f.id)
		}
	}
	return ids, true
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
