package certfile

import (
	"crypto/x509"
	"encoding/asn1"
	"encoding/pem"
	"fmt"
)

// pem reads the blocks of a PEM file, or one certificate or key in DER.
func (c *contents) pem(data []byte, password string) error {
	blocks := 0
	for rest := data; ; {
		var b *pem.Block
		if b, rest = pem.Decode(rest); b == nil {
			break
		}
		if blocks++; blocks > maxEntries {
			return fmt.Errorf("more than %d blocks", maxEntries)
		}
		if err := c.block(b, password); err != nil {
			return fmt.Errorf("block %d, %q: %w", blocks, b.Type, err)
		}
	}
	if blocks > 0 {
		return nil
	}
	err := c.cert(data)
	if err != nil && c.key(data) == nil {
		return nil
	}
	if err != nil {
		return fmt.Errorf("neither a PEM block nor a certificate or key in DER: %w", err)
	}
	return nil
}

func (c *contents) block(b *pem.Block, password string) error {
	switch b.Type {
	case "CERTIFICATE", "X509 CERTIFICATE", "TRUSTED CERTIFICATE":
		der := b.Bytes
		if b.Type == "TRUSTED CERTIFICATE" { // OpenSSL's own, with data about trust behind
			var raw asn1.RawValue
			if _, err := asn1.Unmarshal(der, &raw); err != nil {
				return err
			}
			der = raw.FullBytes
		}
		return c.cert(der)
	case "PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY":
		der := b.Bytes
		//lint:ignore SA1019 it is weak, and there are such files
		if x509.IsEncryptedPEMBlock(b) {
			var err error
			//lint:ignore SA1019 as above
			if der, err = x509.DecryptPEMBlock(b, []byte(password)); err != nil {
				return ErrPassword
			}
		}
		return c.key(der)
	case "ENCRYPTED PRIVATE KEY":
		der, err := decryptPKCS8(b.Bytes, []byte(password), password)
		if err != nil {
			return err
		}
		return c.key(der)
	}
	return nil
}
