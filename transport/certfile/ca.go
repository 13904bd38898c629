package certfile

import (
	"crypto/x509"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
)

// LoadCAFile reads the certificates of authorities from one file in any format but a
// protected one.
func LoadCAFile(path string) ([]*x509.Certificate, error) {
	s, err := Load(path, Auto, "")
	if err != nil {
		return nil, err
	}
	if len(s.Certificates) == 0 {
		return nil, fmt.Errorf("certfile: %s: certificate of an authority: %w", strconv.Quote(path), ErrNotFound)
	}
	return s.Certificates, nil
}

// LoadCADir reads the certificates of authorities from all files of a directory that are
// PEM or DER, whatever their names: those by which OpenSSL finds them (9d66eef0.0) need
// not be there. Other files and directories are passed over; a file that cannot be read,
// and a directory without any certificate, are errors. Each certificate comes once.
func LoadCADir(path string) ([]*x509.Certificate, error) {
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, err
	}
	var certs []*x509.Certificate
	seen := map[string]bool{}
	for _, e := range entries {
		name := filepath.Join(path, e.Name())
		if info, err := os.Stat(name); err != nil {
			return nil, err
		} else if !info.Mode().IsRegular() {
			continue
		}
		data, err := read(name)
		if err != nil {
			return nil, err
		}
		var c contents
		if err := c.pem(data, ""); err != nil {
			continue
		}
		for _, cert := range c.certs {
			if !seen[string(cert.Raw)] {
				seen[string(cert.Raw)] = true
				certs = append(certs, cert)
			}
		}
	}
	if len(certs) == 0 {
		return nil, fmt.Errorf("certfile: %s: certificate of an authority: %w", strconv.Quote(path), ErrNotFound)
	}
	return certs, nil
}
