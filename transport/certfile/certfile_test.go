package certfile_test

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/parley-mail/parley/internal/certs"
	"github.com/parley-mail/parley/transport/certfile"
)

const password = "s3cret"

func certificate(t *testing.T, name string) *x509.Certificate {
	t.Helper()
	s, err := certfile.Load(filepath.Join("testdata", name), certfile.PEM, "")
	if err != nil || len(s.Certificates) != 1 {
		t.Fatalf("%s: %v", name, err)
	}
	return s.Certificates[0]
}

// works proves that the private key belongs to the certificate.
func works(t *testing.T, c tls.Certificate) {
	t.Helper()
	digest := sha256.Sum256([]byte("x"))
	signature, err := c.PrivateKey.(crypto.Signer).Sign(rand.Reader, digest[:], crypto.SHA256)
	if err == nil {
		err = c.Leaf.CheckSignature(x509.SHA256WithRSA, []byte("x"), signature)
	}
	if err != nil {
		t.Errorf("the key does not fit: %v", err)
	}
}

func TestIdentities(t *testing.T) {
	leaf, sub := certificate(t, "leaf.pem"), certificate(t, "sub.pem")
	for _, c := range []struct {
		file     string
		format   certfile.Format
		password string
		chain    int // certificates of the identity
		others   int // certificates beside it
	}{
		{"plain.pem", certfile.PEM, "", 2, 1},
		{"pbes2.pem", certfile.PEM, password, 1, 0},
		{"traditional.pem", certfile.PEM, password, 1, 0},
		{"modern.p12", certfile.PKCS12, password, 2, 2},
		{"legacy.p12", certfile.PKCS12, password, 2, 2},
		{"des3.p12", certfile.PKCS12, password, 2, 2},
		{"java.p12", certfile.PKCS12, password, 2, 2},
		{"open.p12", certfile.PKCS12, "", 2, 2},
		{"unicode.p12", certfile.PKCS12, "пароль", 1, 0},
		{"store.jks", certfile.JKS, password, 3, 1},
	} {
		for _, format := range []certfile.Format{c.format, certfile.Auto} {
			t.Run(c.file+"/"+format.String(), func(t *testing.T) {
				s, err := certfile.Load(filepath.Join("testdata", c.file), format, c.password)
				if err != nil {
					t.Fatal(err)
				}
				if len(s.Identities) != 1 || len(s.Certificates) != c.others {
					t.Fatalf("%d identities, %d others", len(s.Identities), len(s.Certificates))
				}
				id := s.Identities[0]
				if !id.Leaf.Equal(leaf) || len(id.Certificate) != c.chain || c.chain > 1 && !bytes.Equal(id.Certificate[1], sub.Raw) {
					t.Errorf("leaf %v, chain of %d", id.Leaf.Subject, len(id.Certificate))
				}
				works(t, id)
			})
		}
		if c.password == "" {
			continue
		}
		for _, wrong := range []string{"", "S3CRET", strings.Repeat("x", 300)} {
			s, err := certfile.Load(filepath.Join("testdata", c.file), c.format, wrong)
			if !errors.Is(err, certfile.ErrPassword) {
				t.Errorf("%s with password %q: %v, %v", c.file, wrong, s, err)
			}
		}
	}
}

// Invariant: no cut and no changed octet of a file makes it panic, and a changed PKCS #12
// file or Java store never reads as it was: their digests cover all of it that matters.
func TestBrokenFiles(t *testing.T) {
	for _, name := range []string{"modern.p12", "store.jks", "open.p12", "leaf.der", "pbes2.pem"} {
		data, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		protected := strings.HasPrefix(name, "store")
		step := 1 + len(data)/400
		for i := 0; i < len(data); i += step {
			if _, err := certfile.Parse(data[:i], certfile.Auto, password); err == nil && !strings.HasSuffix(name, ".pem") {
				t.Errorf("%s cut at %d: no error", name, i)
			}
			if name == "modern.p12" && i/step%16 != 0 {
				continue // thousands of rounds of hashing each
			}
			broken := bytes.Clone(data)
			broken[i] ^= 0x41
			if _, err := certfile.Parse(broken, certfile.Auto, password); err == nil && protected {
				t.Errorf("%s with octet %d changed: no error", name, i)
			}
		}
	}
}

func TestLoadPair(t *testing.T) {
	leaf := certificate(t, "leaf.pem")
	for _, cert := range []string{"leaf.pem", "leaf.der", "plain.pem"} {
		c, err := certfile.LoadPair("testdata/"+cert, "testdata/leaf.key", "")
		if err != nil || !c.Leaf.Equal(leaf) {
			t.Errorf("%s: %v", cert, err)
			continue
		}
		works(t, c)
	}
	for _, pair := range [][2]string{{"ca.pem", "leaf.key"}, {"leaf.pem", "ca.pem"}, {"leaf.pem", "nothing"}, {"nothing", "leaf.key"}, {"store.jks", "leaf.key"}} {
		if _, err := certfile.LoadPair("testdata/"+pair[0], "testdata/"+pair[1], ""); err == nil {
			t.Errorf("%v: no error", pair)
		}
	}
}

// Every kind of key in every form of DER.
func TestKinds(t *testing.T) {
	ca, err := certs.NewCA()
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range []certs.Options{{Hosts: []string{"a.example"}, Client: true}, {Hosts: []string{"a.example"}, Client: true, RSA: true}} {
		c, err := ca.Issue(o)
		if err != nil {
			t.Fatal(err)
		}
		chain, key, err := certs.PEM(c)
		if err != nil {
			t.Fatal(err)
		}
		s, err := certfile.Parse(append(key, chain...), certfile.Auto, "")
		if err != nil || len(s.Identities) != 1 {
			t.Errorf("%+v, %v", s, err)
		}
		b, _ := pem.Decode(key)
		if _, err := certfile.Parse(b.Bytes, certfile.PEM, ""); !errors.Is(err, certfile.ErrNotFound) {
			t.Errorf("a key alone: %v", err)
		}
	}
}

func TestFind(t *testing.T) {
	ca, err := certs.NewCA()
	if err != nil {
		t.Fatal(err)
	}
	var s certfile.Store
	for _, name := range []string{"mail.example", "l.example", "other.example"} {
		c, err := ca.Issue(certs.Options{Client: true, Hosts: []string{name}})
		if err != nil {
			t.Fatal(err)
		}
		s.Identities = append(s.Identities, c)
	}
	for subject, want := range map[string]string{
		"": "mail.example", "*": "mail.example", "l.example": "l.example", "CN=other.example": "other.example",
		"L.EXAMPLE": "mail.example", "OTHER": "other.example",
	} {
		if c, err := s.Find(subject); err != nil || c.Leaf.Subject.CommonName != want {
			t.Errorf("%q: %v, %v", subject, c.Leaf, err)
		}
	}
	if _, err := s.Find("nobody"); !errors.Is(err, certfile.ErrNotFound) {
		t.Errorf("%v", err)
	}
}

func TestAuthorities(t *testing.T) {
	ca := certificate(t, "ca.pem")
	for file, want := range map[string]int{"ca.pem": 1, "chain.pem": 2, "trusted.pem": 1} {
		got, err := certfile.LoadCAFile("testdata/" + file)
		if err != nil || len(got) != want || !got[want-1].Equal(ca) {
			t.Errorf("%s: %d certificates, %v", file, len(got), err)
		}
	}
	for _, file := range []string{"leaf.key", "README", "nothing", "modern.p12"} {
		if _, err := certfile.LoadCAFile("testdata/" + file); err == nil {
			t.Errorf("%s: no error", file)
		}
	}

	dir := t.TempDir()
	if _, err := certfile.LoadCADir(dir); !errors.Is(err, certfile.ErrNotFound) {
		t.Errorf("an empty directory: %v", err)
	}
	if _, err := certfile.LoadCADir(filepath.Join(dir, "nothing")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no directory: %v", err)
	}
	for name, from := range map[string]string{"9d66eef0.0": "ca.pem", "anything": "chain.pem", "leaf": "leaf.der", "README": "README"} {
		data, err := os.ReadFile("testdata/" + from)
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), data, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "below"), 0o755); err != nil {
		t.Fatal(err)
	}
	if got, err := certfile.LoadCADir(dir); err != nil || len(got) != 3 {
		t.Errorf("%d certificates, %v", len(got), err)
	}
	if err := os.Symlink("nowhere", filepath.Join(dir, "dangling")); err != nil {
		t.Skip(err)
	}
	if _, err := certfile.LoadCADir(dir); err == nil {
		t.Error("a file that cannot be read: no error")
	}
}

func TestFormats(t *testing.T) {
	if got := certfile.JKS.String() + certfile.Format(9).String(); got != "JKSFormat(9)" {
		t.Error(got)
	}
	for _, f := range []certfile.Format{certfile.Auto, certfile.PEM, certfile.PKCS12, certfile.JKS, 9} {
		for _, data := range []string{"", "x", "\x30\x03\x02\x01\x03", "-----BEGIN X-----\n-----END X-----\n", "\xfe\xed\xfe\xed"} {
			if s, err := certfile.Parse([]byte(data), f, ""); err == nil {
				t.Errorf("%v of %q: %v", f, data, s)
			}
		}
	}
}

func FuzzParse(f *testing.F) {
	// Invariant: no panic, and an identity has a leaf and a key.
	for _, name := range []string{"open.p12", "store.jks", "plain.pem", "leaf.der"} {
		data, err := os.ReadFile("testdata/" + name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := certfile.Parse(data, certfile.Auto, "")
		if err != nil {
			return
		}
		for _, id := range s.Identities {
			if id.Leaf == nil || id.PrivateKey == nil || len(id.Certificate) == 0 {
				t.Errorf("%+v", id)
			}
		}
	})
}
