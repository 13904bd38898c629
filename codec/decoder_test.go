package codec_test

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-mail/parley/codec"
)

// outcome is what a stream comes to: the replies as text, how many octets were left
// over, and the error.
type outcome struct {
	Replies   []string
	Buffered  int
	Partial   bool
	Anomaly   string
	Offset    int64
	ErrorLine string
}

// show renders all that a reply holds.
func show(r *codec.Reply) string {
	s := r.String()
	if r.Anomalies != 0 {
		s += " [" + r.Anomalies.String() + "]"
	}
	return s
}

// decode feeds pieces and drains the decoder behind each of them. What it returns does
// not depend on memory that the decoder uses again.
func decode(d *codec.Decoder, pieces ...[]byte) outcome {
	var o outcome
	for _, p := range pieces {
		fed := bytes.Clone(p)
		d.Feed(fed)
		for i := range fed { // Feed must have copied
			fed[i] = '!'
		}
		for {
			r, err := d.Next()
			if err != nil {
				var syntax *codec.SyntaxError
				if !errors.As(err, &syntax) {
					panic(err)
				}
				o.Anomaly, o.Offset, o.ErrorLine = syntax.Anomaly.String(), syntax.Offset, string(syntax.Bytes)
				return o
			}
			if r == nil {
				break
			}
			o.Replies = append(o.Replies, show(r)+"|"+r.Text())
		}
	}
	o.Buffered, o.Partial = d.Buffered(), d.PartialReply()
	return o
}

func newDecoder(strict bool) *codec.Decoder {
	d := new(codec.Decoder)
	d.Reset(codec.Limits{}, strict)
	return d
}

// row is one stream and what it is in each profile: the replies, each "code text
// [anomalies]", then "+n" for octets left over or "!anomaly" for an error. An empty
// strict is the same as lenient.
type row struct{ name, stream, lenient, strict string }

var rows = []row{
	// Greetings.
	{"O-G04", "220-box.example ESMTP Exim 4.96\r\n220-We do not authorize,\r\n220 and/or bulk e-mail.\r\n", "220 box.example ESMTP Exim 4.96 / We do not authorize, / and/or bulk e-mail.", ""},
	{"O-G06", "220-host ESMTP MDaemon\r\n" + strings.Repeat("220-*** text ***\r\n", 9) + "220 \r\n", "220 host ESMTP MDaemon" + strings.Repeat(" / *** text ***", 9) + " / ", ""},
	{"O-G15", "220mail.example WebShield SMTP V4.5\r\n", "220 mail.example WebShield SMTP V4.5 [no-separator]", "!no-separator"},
	{"O-G16", "200 MacGyver SMTP Ready.\r\n", "200 MacGyver SMTP Ready.", ""},
	{"O-G17", "250 Ok, but unimplemented\r\n220 EventMachine SMTP Server\r\n", "250 Ok, but unimplemented; 220 EventMachine SMTP Server", ""},
	{"O-G19", "Permission denied - do not try again.\r\n", "!bad-code", ""},
	{"O-G21", "rblsmtpd: 192.0.2.1 pid 312: x\n220 rblsmtpd.local\r\n", "!bad-code", "!bare-lf"},
	{"O-G23", "HTTP/1.1 400 Bad Request\r\n\r\n", "!bad-code", ""},
	{"O-G24", "\x15\x03\x01\x00\x02\x02\x0a", "!bad-code", "!bare-lf"},
	{"O-G28", "554 Please check.\n", "554 Please check. [bare-lf]", "!bare-lf"},
	{"O-G31 two spaces", "421  Insufficient System Storage.\r\n", "421  Insufficient System Storage.", ""},
	{"O-G31 enhanced not first", "421 unable to read controls (#4.3.0)\r\n", "421 unable to read controls (#4.3.0)", ""},
	{"O-G32", "440-we do this\r\n440-on two\r\n440 lines\r\n", "440 we do this / on two / lines", ""},
	{"O-G33", "421-a.example is too busy.\r\n421 Please try again later.\r\n", "421 a.example is too busy. / Please try again later.", ""},
	{"O-G34", "", "", ""},
	{"O-G38", "220 a\r\n250-b\r\n250 SIZE 1\r\n", "220 a; 250 b / SIZE 1", ""},

	// EHLO replies.
	{"O-E02", "250 mail.example\r\n", "250 mail.example", ""},
	{"O-E06", "250-mail.example250-SIZE 1000\r\n250 HELP\r\n", "250 mail.example250-SIZE 1000 / HELP", ""},
	{"O-E08", "250-a\r\n250-b\r\n", "+14", ""},
	{"O-E09", "250-\r\n", "+6", ""},
	{"O-E27", "502 Commande not implement \r\n", "502 Commande not implement ", ""},
	{"O-E40", "250-DSN\r\n250 \r\n", "250 DSN / ", ""},

	// AUTH.
	{"O-A01", "334\r\n", "334", ""},
	{"O-A02", "334 \r\n", "334", ""},
	{"O-A17", "534-5.7.9 Application-specific password required.\r\n534 5.7.9  https://x\r\n", "534 5.7.9 Application-specific password required. / https://x", ""},
	{"O-A18", "501 5.5.124 Invalid data\r\n", "501 5.5.124 Invalid data", ""},
	{"O-A29", "530 5.5.1 Invalid command\r\n", "530 5.5.1 Invalid command", ""},

	// Codes.
	{"O-M04 850", "850 RUBBISH\r\n", "!bad-code", ""},
	{"O-M04 650", "650 x\r\n", "!bad-code", ""},
	{"O-M04 150", "150 x\r\n", "!bad-code", ""},
	{"O-M04 99", "99\r\n", "!bad-code", ""},
	{"O-M04 1000", "1000 x\r\n", "!bad-code", ""},
	{"O-M05", "599 no way, man\r\n", "599 no way, man", ""},
	{"O-M06 four digits", "2506-me\r\n", "!bad-code", ""},
	{"O-M06 letter", "25O OK\r\n", "!bad-code", ""},
	{"O-M06 full width", "２５０ OK\r\n", "!bad-code", ""},
	{"O-M14", "550 black ip. (\xb7\xa2IP)\r\n", `550 black ip. (\xb7\xa2IP)`, ""},
	{"O-M15", "550 Invalid bad char:\x80\xff\xff\r\n", `550 Invalid bad char:\x80\xff\xff`, ""},
	{"O-M16", "553 Mail not allowed - 5.7.1 [BL23]\r\n", "553 Mail not allowed - 5.7.1 [BL23]", ""},
	{"O-M18 three digits", "550 5.7.606 x\r\n", "550 5.7.606 x", ""},
	{"O-M18 hyphen", "550 5.7.1-3\r\n", "550 5.7.1-3", ""},
	{"O-M22", "354\r\n", "354", ""},
	{"O-M34", "211 DATA HELO\r\n\r\n250 ok\r\n", "211 DATA HELO; 250 ok [stray-line]", "211 DATA HELO; !bad-code-stray"},
	{"O-M34 at the end", "211 DATA HELO\r\n\r\n", "211 DATA HELO; +2", "211 DATA HELO; !bad-code-stray"},
	{"O-M34 LF", "211 x\r\n\n250 ok\r\n", "211 x; 250 ok [bare-lf,stray-line]", "211 x; !bare-lf"},
	{"O-M34 twice", "211 x\r\n\r\n\r\n250 ok\r\n", "211 x; !bad-code", "211 x; !bad-code-stray"},
	{"O-M34 between each", "211 x\r\n\r\n250 a\r\n\r\n250 b\r\n", "211 x; 250 a [stray-line]; 250 b [stray-line]", "211 x; !bad-code-stray"},
	{"O-M35", "214-\tdata\tehlo\r\n214 \tx\r\n", `214 \tdata\tehlo / \tx`, ""},
	{"O-M41", "550-first\r\n550-second\r\n550 5.7.1 third\r\n", "550 5.7.1 first / second / third", ""},

	// End of data.
	{"O-D01", "250 2.6.0 <id@host> Queued mail for delivery -> 250 2.1.5\r\n", "250 2.6.0 <id@host> Queued mail for delivery -> 250 2.1.5", ""},
	{"O-D02", "250\r\n250 \r\n", "250; 250", ""},
	{"O-D03", "250-2.0.0 Ok\r\n250 2.0.0 queued as 1\r\n", "250 2.0.0 Ok / queued as 1", ""},
	{"O-D18", "250 OK\r\n250 OK\r\n", "250 OK; 250 OK", ""},
	{"O-Q01", "221 bye\r\n\x00\x00\x00\x1a\x00\x00\x00\n", "221 bye; !bad-code", "221 bye; !bare-lf"},

	// Framing.
	{"O-F02", "250 ok\r", "+7", ""},
	{"O-F04", "250 a\rb\r\n", `250 a\rb [bare-cr]`, "!bare-cr"},
	{"O-F04 doubled", "250 a\r\r\n", `250 a\r [bare-cr]`, "!bare-cr"},
	{"O-F06 BOM", "\xef\xbb\xbf220 host\r\n", "!bad-code", ""},
	{"O-F06 NUL", "\x00\x00220 host\r\n", "!bad-code", ""},
	{"O-F10", "250-a\r\n251 b\r\n", "251 a / b [mixed-codes]", "!mixed-codes"},
	{"O-F12", "250-a\r\n354 go\r\n", "354 a / go [mixed-classes]", "!mixed-classes"},
	{"mixed classes, worse first", "550-a\r\n250 b\r\n", "550 a / b [mixed-classes]", "!mixed-classes"},
	{"mixed classes, worst within", "250-a\r\n550-5.1.1 b\r\n451 4.0.0 c\r\n", "550 5.1.1 a / b / 4.0.0 c [mixed-classes]", "!mixed-classes"},
	{"mixed both ways", "250-a\r\n550-b\r\n551 c\r\n", "551 a / b / c [mixed-codes,mixed-classes]", "!mixed-classes"},
	{"O-F13", "250 a\r\n250 b\r\n", "250 a; 250 b", ""},
	{"O-F15", "250\tok\r\n", "250 ok [tab-separator]", "!tab-separator"},
	{"O-F17", "250-a\r\n\r\n250 b\r\n", "250 a / b [empty-line]", "!empty-line"},
	{"O-F17 twice", "250-a\r\n\r\n\r\n250 b\r\n", "!empty-line", ""},
	{"O-F17 apart", "250-a\r\n\r\n250-b\r\n\r\n250 c\r\n", "!empty-line", ""},
	{"O-F19", "550 5.7.1 example.com\xe2\x80\x99s DMARC\r\n", "550 5.7.1 example.com’s DMARC", ""},
	{"O-F20", "550 \x1b[31mno\x1b[0m\r\n", `550 \x1b[31mno\x1b[0m`, ""},

	// Seed family S-CODE.
	{"S-CODE bare LF", "250\n", "250 [bare-lf]", "!bare-lf"},
	{"S-CODE two digits", "25 ok\r\n", "!bad-code", ""},
	{"S-CODE 000", "000 ok\r\n", "!bad-code", ""},
	{"S-CODE 600", "600 ok\r\n", "!bad-code", ""},
	{"S-CODE minus", "-250 ok\r\n", "!bad-code", ""},
	{"S-CODE space", " 250 ok\r\n", "!bad-code", ""},
	{"S-CODE NUL", "250\x00ok\r\n", `250 \x00ok [no-separator]`, "!no-separator"},
	{"S-CODE CR behind", "250\rok\r\n", `250 \rok [bare-cr,no-separator]`, "!no-separator"},
	{"S-CODE format", "550 %n%s%d\r\n", "550 %n%s%d", ""},
	{"S-CODE backslash", "550 a\\r\r\n", `550 a\\r`, ""},

	// Seed family S-WS.
	{"S-WS first line empty", "\r\n220 x\r\n", "!bad-code", ""},
	{"S-WS blanks only", "250-   \r\n250 \t\r\n", `250     / \t`, ""},
	{"S-WS class differs", "250 5.0.0 x\r\n550 4.2.2 x\r\n", "250 5.0.0 x; 550 4.2.2 x", ""},
	{"S-WS stale enhanced code", "250 2.1.5 x\r\n250\r\n", "250 2.1.5 x; 250", ""},
	{"S-WS intermediate has none", "354 2.0.0 x\r\n", "354 2.0.0 x", ""},
}

// summary is an outcome in the shorthand of a row.
func summary(o outcome) string {
	var parts []string
	for _, r := range o.Replies {
		s, _, _ := strings.Cut(r, "|")
		parts = append(parts, s)
	}
	switch {
	case o.Anomaly != "":
		parts = append(parts, "!"+o.Anomaly)
	case o.Buffered > 0:
		parts = append(parts, "+"+itoa(o.Buffered))
	}
	return strings.Join(parts, "; ")
}

func TestRows(t *testing.T) {
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			if got := summary(decode(newDecoder(false), []byte(row.stream))); got != row.lenient {
				t.Errorf("lenient:\n got %q\nwant %q", got, row.lenient)
			}
			want := row.strict
			if want == "" {
				want = row.lenient
			}
			want = strings.Replace(want, "!bad-code-stray", "!stray-line", 1)
			if got := summary(decode(newDecoder(true), []byte(row.stream))); got != want {
				t.Errorf("strict:\n got %q\nwant %q", got, want)
			}
		})
	}
}

// Every split in two, of short streams every one in three, and octet by octet: all of
// the outcome is the same, the text of the replies, the error's offset and the quoted
// line included.
func TestSplits(t *testing.T) {
	for _, row := range rows {
		for _, strict := range []bool{false, true} {
			stream := []byte(row.stream)
			d := newDecoder(strict)
			want := decode(d, stream)
			try := func(pieces ...[]byte) {
				d.Reset(codec.Limits{}, strict)
				if got := decode(d, pieces...); !reflect.DeepEqual(got, want) {
					t.Errorf("%s, strict %t, %q:\n%s", row.name, strict, pieces, cmp.Diff(want, got))
				}
			}
			for i := range stream {
				try(stream[:i], stream[i:])
				for j := i; j < len(stream) && len(stream) <= 48; j++ {
					try(stream[:i], stream[i:j], stream[j:])
				}
			}
			try(bytes.SplitAfter(stream, nil)...)
		}
	}
}

// The limits, each met exactly and exceeded by one, in every split.
func TestLimits(t *testing.T) {
	limits := codec.Limits{Line: 10, Reply: 30, Lines: 4}
	tests := []struct{ name, stream, want string }{
		{"line at the limit", "250 4567\r\n", "250 4567"},
		{"line over the limit", "250 45678\r\n", "!long-line"},
		{"line without end", "250 4567890", "!long-line"},
		{"line at the limit without LF", "250 45678", "+9"},
		{"reply at the limit", "250-4567\r\n250-4567\r\n250 4567\r\n", "250 4567 / 4567 / 4567"},
		{"reply over the limit", "250-4567\r\n250-4567\r\n250-456\r\n250\r\n", "!long-reply"},
		{"reply full", "250-4567\r\n250-4567\r\n250-4567\r\n", "!long-reply"},
		{"lines at the limit", "250-\r\n250-\r\n250-\r\n250 \r\n", "250 /  /  / "},
		{"lines over the limit", "250-\r\n250-\r\n250-\r\n250-\r\n250\r\n", "!many-lines"},
		{"both over", "250-4567\r\n250-4567\r\n250-45678\r\n", "!long-line"},
	}
	for _, test := range tests {
		stream := []byte(test.stream)
		for i := range stream {
			d := new(codec.Decoder)
			d.Reset(limits, true)
			if got := summary(decode(d, stream[:i], stream[i:])); got != test.want {
				t.Errorf("%s, split at %d: got %q, want %q", test.name, i, got, test.want)
			}
		}
	}
}

func TestSetLineLimit(t *testing.T) {
	challenge := "334 " + strings.Repeat("A", 12288) + "\r\n" // O-A11
	var d codec.Decoder
	if got := decode(&d, []byte(challenge)).Anomaly; got != "long-line" {
		t.Errorf("default limit: got %q", got)
	}
	d.Reset(codec.Limits{}, true)
	d.SetLineLimit(codec.AuthLine)
	if o := decode(&d, []byte(challenge)); len(o.Replies) != 1 {
		t.Errorf("limit of AUTH: %+v", o)
	}
	if got := decode(&d, []byte("334 "+strings.Repeat("A", 12289)+"\r\n")).Anomaly; got != "long-line" {
		t.Errorf("one more: got %q", got)
	}
	d.Reset(codec.Limits{Line: 100}, true)
	d.SetLineLimit(codec.AuthLine)
	d.Feed([]byte("250 " + strings.Repeat("A", 200)))
	if _, err := d.Next(); err != nil {
		t.Error(err)
	}
	d.SetLineLimit(0) // lower than what is there already
	if got := decode(&d).Anomaly; got != "" {
		t.Errorf("nothing fed: got %q", got)
	}
	if got := decode(&d, []byte("A")).Anomaly; got != "long-line" {
		t.Errorf("limit restored: got %q", got)
	}
	d.Reset(codec.Limits{Line: 100}, true)
	d.SetLineLimit(0)
	if o := decode(&d, []byte("250 "+strings.Repeat("A", 94)+"\r\n")); len(o.Replies) != 1 {
		t.Errorf("a line of the limit restored: %+v", o)
	}
}

func TestBuffered(t *testing.T) {
	var d codec.Decoder
	check := func(what string, buffered int, partial, blank bool, unfinished string) {
		t.Helper()
		if d.Buffered() != buffered || d.PartialReply() != partial || d.Blank() != blank || string(d.Unfinished()) != unfinished {
			t.Errorf("%s: buffered %d, partial %t, blank %t, unfinished %q", what, d.Buffered(), d.PartialReply(), d.Blank(), d.Unfinished())
		}
	}
	next := func() *codec.Reply {
		t.Helper()
		r, err := d.Next()
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	check("zero", 0, false, false, "")
	d.Feed([]byte("220 go ahead\r\n250 ev"))
	next()
	check("injection behind a reply", 6, false, false, "250 ev")
	d.Feed([]byte("il\r\n250-a\r\n25"))
	next()
	next()
	check("half a reply", 9, true, false, "25")
	d.Feed([]byte("0 b\r\n"))
	next()
	check("nothing", 0, false, false, "")
	d.Feed([]byte("\r\n"))
	if r := next(); r != nil {
		t.Error("a stray line is no reply")
	}
	check("stray line", 2, false, true, "")
	d.Feed([]byte("2"))
	next()
	check("not blank any more", 3, false, false, "2")
	d.Feed([]byte("50 x\r\n"))
	if r := next(); !r.Anomalies.Has(codec.StrayLine) {
		t.Error("the stray line is not noted")
	}
	check("reply behind it", 0, false, false, "")
	d.Release()
	d.Feed([]byte("250 again\r\nx"))
	if r := next(); r.Text() != "again" {
		t.Errorf("after Release: %q", r.Text())
	}
	d.Release() // one octet is buffered: nothing happens
	check("not released", 1, false, false, "x")
	d.Feed([]byte("\r\n"))
	_, err := d.Next()
	var syntax *codec.SyntaxError
	if !errors.As(err, &syntax) || syntax.Offset != 58 {
		t.Errorf("offset in the whole stream: %v", err)
	}
	d.Feed([]byte("250 ok\r\n"))
	if _, again := d.Next(); again != err {
		t.Errorf("the error must stay: %v", again)
	}
	d.Release()
	check("in error, released", 0, false, false, "")
	if _, again := d.Next(); again != err {
		t.Errorf("the error must stay: %v", again)
	}
	d.Reset(codec.Limits{}, false)
	d.Feed([]byte("220 new\r\n"))
	if r := next(); r.Text() != "new" {
		t.Errorf("after Reset: %q", r.Text())
	}
}

// A reply larger than what the buffer held before moves the buffer under the lines
// already found.
func TestBufferMoves(t *testing.T) {
	var d codec.Decoder
	var want []string
	d.Feed([]byte("250 first\r\n250-"))
	if _, err := d.Next(); err != nil {
		t.Fatal(err)
	}
	for i := range 500 {
		line := strings.Repeat(string(rune('a'+i%26)), i%100)
		want = append(want, line)
		d.Feed([]byte(line + "\r\n250-"))
		if r, err := d.Next(); r != nil || err != nil {
			t.Fatal(r, err)
		}
	}
	d.Feed([]byte("end\r\n250 last\r\n"))
	r, err := d.Next()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Join(append(want, "end", "last"), "\n"), r.Text()); diff != "" {
		t.Error(diff)
	}
}

func TestSyntaxError(t *testing.T) {
	tests := []struct{ stream, want string }{
		{"HTTP/1.1 400 Bad Request\r\n", `codec: malformed reply (bad-code) at offset 0: "HTTP/1.1 400 Bad Request", looks like HTTP`},
		{"250 ok\r\n\x1b[31m\xff\r\n", `codec: malformed reply (bad-code) at offset 8: "\x1b[31m\xff"`},
		{strings.Repeat("x", 300) + "\r\n", `codec: malformed reply (bad-code) at offset 0: "` + strings.Repeat("x", 128) + `"`},
	}
	for _, test := range tests {
		var d codec.Decoder
		d.Feed([]byte(test.stream))
		var err error
		for r := new(codec.Reply); r != nil; {
			r, err = d.Next()
		}
		if err == nil || err.Error() != test.want {
			t.Errorf("got  %v\nwant %s", err, test.want)
		}
	}
}

func TestHint(t *testing.T) {
	tests := []struct{ line, want string }{
		{"\x15\x03\x01\x00\x02\x02\x28", "looks like TLS"},
		{"\x16\x03\x01", "looks like TLS"},
		{"HTTP/1.1 400", "looks like HTTP"},
		{"<html>", "looks like HTML"},
		{"SSH-2.0-OpenSSH_9.6", "looks like SSH"},
		{"* OK [CAPABILITY IMAP4rev1]", "looks like IMAP"},
		{"+OK POP3 ready", "looks like POP3"},
		{"\"IMPLEMENTATION\" \"Dovecot Pigeonhole\"", "looks like ManageSieve"},
		{"\xff\xfd\x18", "looks like Telnet"},
		{"\xef\xbb\xbf220 x", "begins with a byte order mark"},
		{"\x00\x00220", "begins with NUL"},
		{"Permission denied", ""},
		{"", ""},
	}
	for _, test := range tests {
		if got := codec.Hint([]byte(test.line)); got != test.want {
			t.Errorf("%q: got %q, want %q", test.line, got, test.want)
		}
	}
}

// Again takes what is there and the last reply again, no more than it is asked for, and
// leaves everything else to Next.
func TestAgain(t *testing.T) {
	const same, other = "250 2.1.5 ok\r\n", "250 2.1.5 no\r\n"
	for _, c := range []struct {
		name  string
		fed   string
		most  int
		times int
		next  string // what Next says behind that; "": nothing yet
	}{
		{"all", strings.Repeat(same, 4), 9, 3, ""},
		{"at most", strings.Repeat(same, 4), 2, 2, "2.1.5 ok"},
		{"none wanted", strings.Repeat(same, 4), 0, 0, "2.1.5 ok"},
		{"another in between", same + same + other + same, 9, 1, "2.1.5 no"},
		{"another at once", same + other + same, 9, 0, "2.1.5 no"},
		{"a part of the last", same + same + same[:5], 9, 1, ""},
		{"nothing", same, 9, 0, ""},
		{"another one begins the same", same + "250 2.1.5 ok too\r\n", 9, 0, "2.1.5 ok too"},
		{"behind several lines", "250-2.1.5 ok\r\n" + same + same, 9, 0, "2.1.5 ok"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var d codec.Decoder
			d.Feed([]byte(c.fed))
			r, err := d.Next()
			if r == nil || err != nil {
				t.Fatal(r, err)
			}
			if n := d.Again(c.most); n != c.times {
				t.Fatalf("%d times, want %d", n, c.times)
			}
			if last := string(r.Lines[len(r.Lines)-1]); last != "2.1.5 ok" || r.Code != 250 {
				t.Errorf("the reply is %d %q then", r.Code, last)
			}
			r, err = d.Next()
			switch {
			case err != nil:
				t.Fatal(err)
			case (r != nil) != (c.next != ""), r != nil && string(r.Lines[0]) != c.next:
				t.Errorf("behind it comes %v, want %q", r, c.next)
			}
		})
	}
}
