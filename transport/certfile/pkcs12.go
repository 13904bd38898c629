package certfile

import (
	"crypto/hmac"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"

	"golang.org/x/crypto/pkcs12"
)

var (
	oidData          = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 1}
	oidEncryptedData = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 6}
	oidKeyBag        = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 12, 10, 1, 1}
	oidShroudedBag   = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 12, 10, 1, 2}
	oidCertBag       = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 12, 10, 1, 3}
	oidX509          = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 22, 1}
)

// contentInfo is RFC 7292 §4.
type contentInfo struct {
	Type    asn1.ObjectIdentifier
	Content asn1.RawValue `asn1:"tag:0,explicit,optional"`
}

// pkcs12 reads a PFX (RFC 7292 §4) that is protected by a password. Files encrypted by
// RC2, which older tools make, go to a package of their own.
func (c *contents) pkcs12(data []byte, password string) error {
	err := c.pfx(data, password)
	if !errors.Is(err, errLegacy) {
		return err
	}
	*c = contents{}
	blocks, err := pkcs12.ToPEM(data, password)
	if errors.Is(err, pkcs12.ErrIncorrectPassword) {
		return ErrPassword
	} else if err != nil {
		return err
	}
	for _, b := range blocks {
		if err := c.block(b, ""); err != nil {
			return err
		}
	}
	return nil
}

func (c *contents) pfx(data []byte, password string) error {
	var p struct {
		Version  int
		AuthSafe contentInfo
		Mac      struct {
			Mac struct {
				Algorithm pkix.AlgorithmIdentifier
				Digest    []byte
			}
			Salt       []byte
			Iterations int `asn1:"optional,default:1"`
		} `asn1:"optional"`
	}
	if rest, err := asn1.Unmarshal(data, &p); err != nil {
		return err
	} else if len(rest) > 0 {
		return errors.New("octets behind the end")
	}
	if p.Version != 3 || !p.AuthSafe.Type.Equal(oidData) {
		return fmt.Errorf("version %d of type %v", p.Version, p.AuthSafe.Type)
	}
	var safe []byte
	if _, err := asn1.Unmarshal(p.AuthSafe.Content.Bytes, &safe); err != nil {
		return err
	}
	if oid := p.Mac.Mac.Algorithm.Algorithm; len(oid) > 0 {
		digest := digests[oid.String()]
		if digest == nil {
			return fmt.Errorf("no such MAC: %v", oid)
		}
		if err := checkIterations(p.Mac.Iterations); err != nil {
			return err
		}
		key := derive(digest, bmp(password), p.Mac.Salt, p.Mac.Iterations, 3, digest().Size())
		mac := hmac.New(digest, key)
		mac.Write(safe)
		if !hmac.Equal(mac.Sum(nil), p.Mac.Mac.Digest) {
			return ErrPassword
		}
	}
	var infos []contentInfo
	if _, err := asn1.Unmarshal(safe, &infos); err != nil {
		return err
	}
	for _, info := range infos {
		bags, err := openSafe(info, password)
		if err == nil {
			err = c.bags(bags, password)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// openSafe returns the SafeContents in info, or nil for what is protected by a key.
func openSafe(info contentInfo, password string) (bags []byte, err error) {
	switch {
	case info.Type.Equal(oidData):
		_, err = asn1.Unmarshal(info.Content.Bytes, &bags)
		return bags, err
	case info.Type.Equal(oidEncryptedData):
		var e struct {
			Version int
			Info    struct {
				Type      asn1.ObjectIdentifier
				Algorithm pkix.AlgorithmIdentifier
				Data      []byte `asn1:"tag:0,optional"`
			}
		}
		if _, err := asn1.Unmarshal(info.Content.Bytes, &e); err != nil {
			return nil, err
		}
		return decrypt(e.Info.Algorithm, e.Info.Data, []byte(password), password)
	}
	return nil, nil
}

func (c *contents) bags(der []byte, password string) error {
	if len(der) == 0 {
		return nil
	}
	var bags []struct {
		ID         asn1.ObjectIdentifier
		Value      asn1.RawValue `asn1:"tag:0,explicit"`
		Attributes asn1.RawValue `asn1:"optional"`
	}
	if _, err := asn1.Unmarshal(der, &bags); err != nil {
		return err
	}
	for _, b := range bags {
		var err error
		switch {
		case b.ID.Equal(oidKeyBag):
			err = c.key(b.Value.Bytes)
		case b.ID.Equal(oidShroudedBag):
			var key []byte
			if key, err = decryptPKCS8(b.Value.Bytes, []byte(password), password); err == nil {
				err = c.key(key)
			}
		case b.ID.Equal(oidCertBag):
			var cert struct {
				ID   asn1.ObjectIdentifier
				Data []byte `asn1:"tag:0,explicit"`
			}
			if _, err = asn1.Unmarshal(b.Value.Bytes, &cert); err == nil && cert.ID.Equal(oidX509) {
				err = c.cert(cert.Data)
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}
