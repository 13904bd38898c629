package html

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"html/template"
)

// packOver is how many octets of findings are on a page as they are. More of them, those
// of many peers, are packed, to a fifth or less, and the script unpacks them.
const packOver = 500_000

// tell writes the findings, and packs them if they are many.
func (p *page) tell() error {
	var text bytes.Buffer
	if err := pageTemplate.ExecuteTemplate(&text, "findings", p.Findings); err != nil {
		return err
	}
	if text.Len() <= packOver {
		p.Told = template.HTML(text.String())
		return nil
	}
	var packed bytes.Buffer
	to64 := base64.NewEncoder(base64.RawURLEncoding, &packed)
	zip, err := gzip.NewWriterLevel(to64, gzip.BestCompression)
	if err != nil {
		return err
	}
	if _, err = text.WriteTo(zip); err != nil {
		return err
	}
	if err = zip.Close(); err != nil {
		return err
	}
	if err = to64.Close(); err != nil {
		return err
	}
	p.Packed = packed.String()
	return nil
}
