package message_test

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/parley-mail/parley/message"
)

// poisons are what a caller's data must never carry into a header section, and look-alikes that an encoder which
// narrows runes to octets would turn into that.
var poisons = []struct {
	text   string
	refuse bool // an error is demanded; otherwise the octets must stay what they are
}{
	{"a\r\nBcc: victim@x.example", true},
	{"a\nBcc: victim@x.example", true},
	{"a\rBcc: victim@x.example", true},
	{"a\r\n\r\nbody", true},
	{"a\r\n folded", true},
	{"a\x00b", true},
	{"a\x7Fb", true},
	{"a\x1Bb", true},
	{"a\u0085Bcc: victim@x.example", true},
	{"a\u2028Bcc: victim@x.example", true},
	{"a\u2029Bcc: victim@x.example", true},
	{"a\xFFb", true},
	{"a\u760D\u760ABcc: victim@x.example", false},
	{"a\u010D\u010ABcc: victim@x.example", false},
	{"a\u560D\u560Ab", false},
	{"%0D%0ABcc: victim@x.example", false},
	{"=0D=0ABcc: victim@x.example", false},
	{"=?utf-8?q?a=0D=0ABcc:_victim@x.example?=", false},
	{`a" <victim@x.example>, "b`, false},
	{strings.Repeat("x", 64<<10), false},
	{strings.Repeat("x", 64<<10+1), false},
}

// full has a value in every field that a string can be in.
func full() *message.Message {
	m := base()
	m.To = message.Addresses(alice) // no test shares memory with another
	m.Sender = alice
	m.ReplyTo, m.Cc, m.Bcc = message.Addresses(alice), message.AddressList{message.Group{Name: "g", Members: []message.Address{alice}}}, message.Addresses(alice)
	m.Subject, m.MessageID, m.MessageIDDomain = "s", "i@d", "d.example"
	m.ReadReceiptTo, m.DeliveryNotificationTo = message.Addresses(alice), message.Addresses(alice)
	m.OtherHeaders = []message.HeaderField{{Name: "X-Y", Value: "z"}}
	m.Charset = "UTF-8"
	m.Text, m.HTML = "text", "<p>html"
	m.Attachments = []message.Attachment{{Name: "n", Type: "image/png", ContentID: "c", Inline: true, Content: message.FromBytes([]byte("x"))}}
	return &m
}

// stringFields calls do for each exported string reachable from v, with a way to set it.
func stringFields(v reflect.Value, path string, do func(path string, set func(string))) {
	switch v.Kind() {
	case reflect.String:
		do(path, v.SetString)
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.IsExported() {
				stringFields(v.Field(i), path+"."+f.Name, do)
			}
		}
	case reflect.Slice:
		for i := range v.Len() {
			stringFields(v.Index(i), path, do)
		}
	case reflect.Interface:
		if v.IsNil() || v.NumMethod() > 0 && v.Type() != reflect.TypeFor[message.Entry]() {
			return
		}
		inner := reflect.New(v.Elem().Type()).Elem() // a copy that can be set
		inner.Set(v.Elem())
		stringFields(inner, path, func(p string, set func(string)) {
			do(p, func(s string) { set(s); v.Set(inner) })
		})
	}
}

func TestEveryStringIsChecked(t *testing.T) {
	var names []string
	stringFields(reflect.ValueOf(full()).Elem(), "Message", func(p string, _ func(string)) { names = append(names, p) })
	if len(names) < 20 {
		t.Fatalf("only %d strings found: %q", len(names), names)
	}
	for i, name := range names {
		for _, p := range poisons {
			for _, charset := range []string{"UTF-8", ""} {
				m := full()
				m.Charset = charset
				switch name {
				case "Message.RawHeaders":
					m.HTML, m.Attachments = "", nil
				case "Message.MessageIDDomain":
					m.MessageID = ""
				}
				at := 0
				stringFields(reflect.ValueOf(m).Elem(), "Message", func(_ string, set func(string)) {
					if at == i {
						set(p.text)
					}
					at++
				})
				checkPoisoned(t, name, m, p.text, p.refuse)
			}
		}
	}
}

// checkPoisoned checks that m, whose field of that name holds poison, is refused without a trace, or written harmlessly.
func checkPoisoned(t *testing.T, name string, m *message.Message, poison string, refuse bool) {
	t.Helper()
	var b bytes.Buffer
	_, err := m.WriteTo(&b)
	if err != nil {
		var he *message.HeaderError
		var ce *message.ContentError
		var se *message.CharsetError
		if !errors.As(err, &he) && !errors.As(err, &ce) && !errors.As(err, &se) {
			t.Errorf("%s = %.40q: error %T %v", name, poison, err, err)
		}
		if text := err.Error(); len(text) > 1200 || strings.ContainsAny(text, "\r\n\x00\x1B") {
			t.Errorf("%s = %.40q: error %.300q", name, poison, text)
		}
		if b.Len() > 0 {
			t.Errorf("%s = %.40q: %d octets written before %v", name, poison, b.Len(), err)
		}
		return
	}
	switch name {
	case "Message.Text", "Message.HTML": // text may have any line ends and many controls; they are normalised or encoded
		if f := message.ScanBytes(b.Bytes()); f.BareCR || f.BareLF || f.NUL {
			t.Errorf("%s = %.40q: %+v", name, poison, f)
		}
		return
	case "Message.Bcc.Name": // goes nowhere
		refuse = false
	case "Message.RawHeaders": // lines of fields are what it is for
		refuse = strings.HasPrefix(poison, "a\r\n\r\n") // but only of fields
	}
	if refuse {
		t.Errorf("%s = %.40q: written", name, poison)
	}
	for _, f := range unfold(t, b.String()) {
		if strings.EqualFold(f.Name, "Bcc") {
			t.Errorf("%s = %.40q: a Bcc field", name, poison)
		}
	}
	if name == "Message.RawHeaders" {
		return
	}
	if list, err := message.ParseAddressList(value(t, b.String(), "From")); err != nil || len(list) != 1 || list.Paths()[0] != alice.Path {
		t.Errorf("%s = %.40q: From is %v, %v", name, poison, list, err)
	}
}

func TestMediaTypeHidesNothing(t *testing.T) {
	for _, mediaType := range []string{
		"text/plain; name*=utf-8''a%0D%0ABcc:%20x", "text/plain; a*0*=utf-8''x%00; a*1=y", "text", "text/plain; a=\"b\r\nc\"", "text/plain; =", "/", "",
		"text/plain;\u2028a=b",
	} {
		m := base()
		m.Attachments = []message.Attachment{{Type: mediaType, Content: message.FromBytes(nil)}}
		c, err := m.Content()
		if mediaType == "" {
			if err != nil {
				t.Errorf("no type: %v", err)
			}
			continue
		}
		if err == nil {
			b, _ := c.Bytes()
			t.Errorf("%q: written %q", mediaType, b)
			continue
		}
		checkHeaderError(t, mediaType, err, "Content-Type")
	}
}
