package peers

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/parley-mail/parley/internal/certs"
)

// Site is the place of one run: a directory that the servers' own users can
// enter, an authority and certificates. Several peers may share one; each gets
// a directory of its own within it.
type Site struct {
	Dir  string
	CA   *certs.CA
	Host CertFiles // valid for Host, localhost, 127.0.0.1 and ::1

	Expired   CertFiles // as Host, but out of date
	WrongName CertFiles // valid for another host
	CAFile    string
}

// CertFiles are the PEM files of one certificate.
type CertFiles struct{ Chain, Key string }

// NewSite makes a site. Close removes it.
func NewSite() (*Site, error) {
	dir, err := os.MkdirTemp("", "parley-peers-")
	if err != nil {
		return nil, err
	}
	s := &Site{Dir: dir, CAFile: filepath.Join(dir, "ca.pem")}
	if err := s.fill(); err != nil {
		return nil, errors.Join(fmt.Errorf("site: %w", err), s.Close())
	}
	return s, nil
}

func (s *Site) fill() error {
	// The servers drop root's rights and still have to get in.
	if err := os.Chmod(s.Dir, 0o755); err != nil {
		return err
	}
	var err error
	if s.CA, err = certs.NewCA(); err != nil {
		return err
	}
	if err := os.WriteFile(s.CAFile, s.CA.PEM(), 0o644); err != nil {
		return err
	}
	right := certs.Options{Hosts: []string{Host, "localhost", "127.0.0.1", "::1"}}
	wrong := certs.Options{Hosts: []string{"elsewhere.test"}}
	for _, c := range []struct {
		name  string
		opts  certs.Options
		files *CertFiles
	}{
		{"host", right, &s.Host},
		{"expired", certs.Expired(right), &s.Expired},
		{"wrong-name", wrong, &s.WrongName},
	} {
		if *c.files, err = s.issue(c.name, c.opts); err != nil {
			return err
		}
	}
	return nil
}

func (s *Site) issue(name string, opts certs.Options) (CertFiles, error) {
	cert, err := s.CA.Issue(opts)
	if err != nil {
		return CertFiles{}, err
	}
	chain, key, err := certs.PEM(cert)
	if err != nil {
		return CertFiles{}, err
	}
	files := CertFiles{filepath.Join(s.Dir, name+".pem"), filepath.Join(s.Dir, name+".key")}
	if err := os.WriteFile(files.Chain, chain, 0o644); err != nil {
		return CertFiles{}, err
	}
	return files, os.WriteFile(files.Key, key, 0o600)
}

// ClientCert returns a certificate for client authentication that the peers'
// authority has signed.
func (s *Site) ClientCert(name string) (tls.Certificate, error) {
	return s.CA.Issue(certs.Options{Hosts: []string{name}, Client: true})
}

// Roots returns what a client should trust.
func (s *Site) Roots() *x509.CertPool { return s.CA.Pool() }

// Close removes the site's directory.
func (s *Site) Close() error { return os.RemoveAll(s.Dir) }

// sub makes a directory for a peer and returns its path.
func (s *Site) sub(name string) (string, error) {
	dir, err := os.MkdirTemp(s.Dir, name+"-")
	if err != nil {
		return "", err
	}
	return dir, os.Chmod(dir, 0o755)
}

// writeFiles writes small files below dir; names may contain directories.
func writeFiles(dir string, files map[string]string) error {
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}
