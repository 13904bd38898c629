package server_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/parley-mail/parley/conformance/server"
	"github.com/parley-mail/parley/internal/certs"
)

// The honest server: small, and right. A fault makes it wrong in one way: by its name,
// which the code below asks for, or by an answer of its own to some command.

const (
	fakeUser     = "bob"
	fakePassword = "correct horse"
	fakeRcpt     = "bob@mx.example"
	fakeUnknown  = "nobody@mx.example"
	fakeRelay    = "bob@elsewhere.example"
)

// fault is one way to be wrong.
type fault struct {
	name  string
	line  *regexp.Regexp // commands that are answered wrongly, nil: none
	reply string         // by this, with its CRLF
	keep  bool           // and are carried out as well, silently
}

// fake is a server.
type fake struct {
	lmtp, bare bool
	user       string // "", "may" or "must" log in
	fault      fault

	tls *tls.Config
	box *box
}

// is reports whether the server is wrong in this way.
func (f *fake) is(name string) bool { return f.fault.name == name }

// box is the mailbox.
type box struct {
	mu   sync.Mutex
	mail []string
}

func (b *box) add(text string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.mail = append(b.mail, text)
}

func (b *box) Messages(_ context.Context, text string) (found []string, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, m := range b.mail {
		if strings.Contains(m, text) {
			found = append(found, m)
		}
	}
	return found, nil
}

func (b *box) Close() error { return nil }

var authority = sync.OnceValues(certs.NewCA)

// start serves until the test ends and returns the target.
func (f *fake) start(t *testing.T) server.Target {
	t.Helper()
	ca, err := authority()
	if err != nil {
		t.Fatal(err)
	}
	cert, err := ca.Issue(certs.Options{})
	if err != nil {
		t.Fatal(err)
	}
	f.tls = &tls.Config{Certificates: []tls.Certificate{cert}}
	switch {
	case f.is("tls-1.3-only"):
		f.tls.MinVersion = tls.VersionTLS13
	case f.is("sni-needed"):
		f.tls.GetConfigForClient = func(h *tls.ClientHelloInfo) (*tls.Config, error) {
			if h.ServerName == "" {
				return nil, fmt.Errorf("no name")
			}
			return nil, nil
		}
	}
	f.box = &box{}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		var busy sync.Mutex
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				defer nc.Close()
				if f.is("one-client") {
					busy.Lock()
					defer busy.Unlock()
				}
				s := &session{fake: f, nc: nc, in: bufio.NewReaderSize(nc, 64<<10)}
				s.serve()
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		serving.Wait()
	})
	target := server.Target{
		Addr: l.Addr().String(), TLS: &tls.Config{RootCAs: ca.Pool(), ServerName: "localhost"}, Mode: server.Clear, LMTP: f.lmtp,
		Rcpt: fakeRcpt, Unknown: fakeUnknown, Relay: fakeRelay, Sink: f.box, Timeout: fakePatience, Calm: fakeCalm,
	}
	if f.user != "" {
		target.Mode, target.User, target.Password = server.StartTLS, fakeUser, fakePassword
		target.Mechanisms = []string{"PLAIN"}
	}
	return target
}

// session is one connection.
type session struct {
	*fake
	nc  net.Conn
	in  *bufio.Reader
	out bytes.Buffer

	inTLS, greeted bool
	verb           string // of the command that is answered
	who            string // logged in as
	transaction
	gone bool
}

type transaction struct {
	mail, utf8, binary, chunked bool
	rcpts                       []string
	chunks                      []byte
}

func (s *session) serve() {
	switch {
	case s.is("greeting-without-name"):
		s.out.WriteString("220\r\n")
	case s.is("greeting-554"):
		s.out.WriteString("554 no\r\n")
	default:
		s.out.WriteString("220 mx.example ready\r\n")
	}
	for !s.gone {
		line, ok := s.line()
		if !ok {
			return
		}
		s.command(line)
	}
	s.flush()
}

func (s *session) flush() {
	_, _ = s.nc.Write(s.out.Bytes())
	s.out.Reset()
}

// line reads a line that ends in CR LF.
func (s *session) line() (string, bool) {
	var line []byte
	for {
		if s.quiet(len(line)) {
			s.flush()
		}
		c, err := s.in.ReadByte()
		if err != nil {
			return "", false
		}
		line = append(line, c)
		if text, ok := bytes.CutSuffix(line, []byte("\r\n")); ok {
			return string(text), true
		}
		if c == '\n' && s.is("lf-ends-commands") {
			return string(line[:len(line)-1]), true
		}
	}
}

// quiet reports whether replies are due: no whole line is there to go on with.
func (s *session) quiet(begun int) bool {
	ahead, _ := s.in.Peek(s.in.Buffered())
	switch {
	case s.is("noop-held-back") && s.verb == "NOOP":
		return false
	case s.is("half-line-holds-back"):
		return begun == 0 && len(ahead) == 0
	}
	return !bytes.Contains(ahead, []byte("\n"))
}

// say answers, with an enhanced code where it has to be.
func (s *session) say(code int, text string) {
	status := ""
	if !s.bare && code/100 != 3 && !slices.Contains([]string{"EHLO", "HELO", "LHLO"}, s.verb) && !s.is("no-status") {
		status = fmt.Sprintf("%d.0.0 ", code/100)
		if s.is("status-of-another-class") {
			status = "2.0.0 "
		}
	}
	end := "\r\n"
	if s.is("lf-ends-replies") && code == 500 {
		end = "\n"
	}
	switch {
	case s.is("bare-code") && code == 500:
		fmt.Fprintf(&s.out, "500\r\n")
	case s.is("code-of-its-own") && code == 500:
		fmt.Fprintf(&s.out, "599 %s\r\n", status)
	case s.is("code-out-of-range") && code == 500:
		fmt.Fprintf(&s.out, "650 %s\r\n", text)
	case s.is("two-codes") && code == 500:
		fmt.Fprintf(&s.out, "501-%sone\r\n500 %s%s\r\n", status, status, text)
	case s.is("long-reply") && code == 500:
		fmt.Fprintf(&s.out, "500 %s%s\r\n", status, strings.Repeat("x", 600))
	case s.is("utf8-reply") && code == 500:
		fmt.Fprintf(&s.out, "500 %sunverständlich\r\n", status)
	default:
		fmt.Fprintf(&s.out, "%d %s%s%s", code, status, text, end)
	}
}

var verbOf = regexp.MustCompile(`^(?i)(EHLO|HELO|LHLO|MAIL FROM:|RCPT TO:|DATA|BDAT|RSET|NOOP|QUIT|VRFY|EXPN|HELP|ETRN|STARTTLS|AUTH)(.*)$`)

func (s *session) command(line string) {
	if f := s.fault; f.line != nil && f.line.MatchString(s.place()+line) {
		s.out.WriteString(f.reply)
		if f.keep {
			said := s.out.Len()
			s.carryOut(line)
			s.out.Truncate(said)
		}
		return
	}
	s.carryOut(line)
}

// place says where the session is, for the faults: "clear:" or "tls:", then "first:",
// "ready:", "mail:" or "rcpt:".
func (s *session) place() string {
	place := "clear:"
	if s.inTLS {
		place = "tls:"
	}
	switch {
	case len(s.rcpts) > 0:
		return place + "rcpt:"
	case s.mail:
		return place + "mail:"
	case s.greeted:
		return place + "ready:"
	}
	return place + "first:"
}

func (s *session) carryOut(line string) {
	m := verbOf.FindStringSubmatch(line)
	s.verb = ""
	if m == nil {
		if s.is("unknown-closes") {
			s.gone = true
		}
		s.say(500, "what?")
		return
	}
	verb, arg := strings.ToUpper(m[1]), m[2]
	s.verb, _, _ = strings.Cut(verb, " ")
	if s.is("case-matters") && m[1] != verb {
		s.say(500, "what?")
		return
	}
	switch verb {
	case "EHLO", "LHLO", "HELO":
		s.hello(verb, arg)
	case "MAIL FROM:":
		s.mailFrom(arg)
	case "RCPT TO:":
		s.rcptTo(arg)
	case "DATA":
		s.data(arg)
	case "BDAT":
		s.bdat(arg)
	case "RSET":
		s.bareVerb(arg, func() {
			if !s.is("rset-keeps") {
				s.transaction = transaction{}
			}
			s.say(250, "reset")
		})
	case "NOOP":
		s.say(250, "fine")
		if s.is("two-replies") {
			s.say(250, "fine again")
		}
	case "QUIT":
		s.bareVerb(arg, func() {
			s.say(221, "bye")
			s.gone = !s.is("quit-stays")
		})
	case "VRFY":
		s.say(252, "try it")
	case "EXPN":
		if s.bare {
			s.say(502, "not here")
			return
		}
		s.say(550, "no list")
	case "HELP":
		if s.bare {
			s.say(502, "not here")
			return
		}
		s.say(214, "see the RFCs")
	case "ETRN":
		if s.bare {
			s.say(500, "what?")
			return
		}
		s.say(459, "nothing for you")
	case "STARTTLS":
		s.startTLS(arg)
	case "AUTH":
		s.auth(strings.TrimPrefix(arg, " "))
	}
}

// bareVerb is for commands without an argument; a blank at the end does no harm.
func (s *session) bareVerb(arg string, do func()) {
	if strings.Trim(arg, " ") != "" {
		s.say(501, "nothing may follow")
		return
	}
	do()
}

func (s *session) hello(verb, arg string) {
	switch name := strings.TrimSpace(arg); {
	case s.lmtp != (verb == "LHLO"):
		s.say(500, "what?")
		return
	case name == "":
		if s.is("bad-hello-drops") {
			s.transaction = transaction{}
		}
		s.say(501, "who?")
		return
	case strings.HasSuffix(name, ".invalid") && s.is("name-must-resolve"):
		s.say(550, "who?")
		return
	}
	s.greeted = true
	if !s.is("second-hello-keeps") {
		s.transaction = transaction{}
	}
	if verb == "HELO" {
		s.say(250, "mx.example")
		return
	}
	lines := append([]string{"mx.example"}, s.extensions()...)
	for i, l := range lines {
		mark := "-"
		if i == len(lines)-1 {
			mark = " "
		}
		fmt.Fprintf(&s.out, "250%s%s\r\n", mark, l)
	}
}

const rcptMax = 1000

func (s *session) extensions() []string {
	if s.bare {
		return nil
	}
	all := []string{
		"PIPELINING", "8BITMIME", "ENHANCEDSTATUSCODES", "CHUNKING", "BINARYMIME", "DSN", "DELIVERBY", "MT-PRIORITY",
		"VRFY", "EXPN", "HELP", "ETRN",
	}
	if s.lmtp && s.is("lmtp-without-pipelining") {
		all = all[1:]
	}
	pick := func(fault, wrong, right string) {
		if s.is(fault) {
			right = wrong
		}
		all = append(all, right)
	}
	pick("size-with-letters", "SIZE 10M", "SIZE 1000000")
	pick("smtputf8-value", "SMTPUTF8 yes", "SMTPUTF8")
	pick("limits-malformed", "LIMITS RCPTMAX=", "LIMITS RCPTMAX="+strconv.Itoa(rcptMax))
	if s.is("keyword-of-its-own") {
		all = append(all, "PARLEYING")
	}
	if !s.inTLS || s.is("starttls-listed-inside") {
		all = append(all, "STARTTLS")
	}
	if s.inTLS || s.is("requiretls-in-clear") {
		all = append(all, "REQUIRETLS")
	}
	if s.user != "" || s.is("hold-for-everybody") {
		all = append(all, "FUTURERELEASE 86400 2030-01-01T00:00:00Z")
	}
	if s.user != "" && s.inTLS && s.who == "" || s.is("auth-in-clear") {
		all = append(all, "AUTH PLAIN LOGIN CRAM-MD5 SCRAM-SHA-256 SCRAM-SHA-256-PLUS OAUTHBEARER GSSAPI")
	} else if s.who != "" {
		all = append(all, "AUTH")
	}
	return all
}

// path takes a path off the front of an argument; problem is a code and a text.
func (s *session) path(arg string) (path, params, problem string) {
	end := strings.IndexByte(arg, '>')
	if !strings.HasPrefix(arg, "<") || end < 0 {
		return "", "", "501 no path"
	}
	path, params = arg[1:end], strings.TrimSpace(arg[end+1:])
	if strings.HasPrefix(path, "@") {
		if s.is("no-source-routes") {
			return "", "", "501 no path"
		}
		_, path, _ = strings.Cut(path, ":")
	}
	local := path[:max(0, strings.LastIndexByte(path, '@'))]
	switch {
	case strings.ContainsFunc(path, func(c rune) bool { return c < 0x20 || c == 0x7f }):
		return "", "", "501 odd octets"
	case len(local) > 64, len(path) > 254:
		return "", "", "501 too long"
	}
	return path, params, ""
}

func beyondASCII(path string) bool {
	return strings.ContainsFunc(path, func(c rune) bool { return c > 0x7e })
}

func (s *session) refuse(problem string) {
	code, text, _ := strings.Cut(problem, " ")
	n, _ := strconv.Atoi(code)
	s.say(n, text)
}

func (s *session) mailFrom(arg string) {
	path, params, problem := s.path(arg)
	var t transaction
	if problem == "" {
		problem = s.mailParams(&t, params)
	}
	switch {
	case !s.greeted && !s.is("mail-before-hello"):
		problem = "503 hello first"
	case s.mail:
		if s.is("nested-mail-drops") {
			s.transaction = transaction{}
		}
		problem = "503 one after the other"
	case s.user == "must" && s.who == "" && !s.is("mail-from-strangers"):
		problem = "530 who are you?"
	case problem == "" && beyondASCII(path) && !t.utf8 && !s.is("utf8-undeclared"):
		problem = "553 not declared"
	case s.is("bad-path-drops") && problem != "":
		s.greeted = false
	}
	if problem != "" {
		s.refuse(problem)
		return
	}
	t.mail = true
	s.transaction = t
	s.say(250, "go on")
}

// mailParams reads the parameters of MAIL.
func (s *session) mailParams(t *transaction, params string) (problem string) {
	seen := map[string]bool{}
	for p := range strings.FieldsSeq(params) {
		key, value, _ := strings.Cut(p, "=")
		bad := seen[key] && !s.is("parameters-twice")
		seen[key] = true
		n, err := strconv.ParseInt(value, 10, 64)
		switch key {
		case "SIZE":
			if err == nil && n > 1000000 {
				return "552 too much"
			}
			bad = bad || err != nil
		case "BODY":
			t.binary = value == "BINARYMIME"
		case "SMTPUTF8":
			t.utf8 = true
		case "RET":
			bad = bad || value != "FULL" && value != "HDRS"
		case "ENVID":
			bad = bad || strings.HasSuffix(value, "+") || len(value) > 100
		case "AUTH":
		case "BY":
			bad = bad || strings.HasPrefix(value, "0;R")
		case "HOLDFOR", "HOLDUNTIL":
			bad = bad || seen["HOLDFOR"] && seen["HOLDUNTIL"]
		case "MT-PRIORITY":
			bad = bad || err != nil || n > 9 || n < -9
		default:
			return "555 what is " + key
		}
		if bad {
			return "501 not like that"
		}
	}
	return ""
}

var badNotify = regexp.MustCompile(`NOTIFY=(.*NEVER.*,|.*,NEVER|PARLEY)|ORCPT=[^;]*$|ORCPT=.{501}`)

func (s *session) rcptTo(arg string) {
	path, params, problem := s.path(arg)
	local, domain, _ := strings.Cut(path, "@")
	switch {
	case !s.mail && !s.is("rcpt-without-mail"):
		problem = "503 MAIL first"
	case problem != "":
	case badNotify.MatchString(params):
		problem = "501 not like that"
	case params != "" && !strings.Contains(params, "NOTIFY=") && !strings.Contains(params, "ORCPT="):
		problem = "555 what?"
	case len(s.rcpts) == rcptMax:
		problem = "452 no more"
		if s.is("552-for-too-many") {
			problem = "552 no more"
		}
	case len(s.rcpts) == 50 && s.is("fifty-recipients"):
		problem = "452 no more"
	case strings.EqualFold(path, "postmaster"):
	case domain != "mx.example" && !s.is("relays"):
		problem = "550 not here"
	case !slices.Contains([]string{fakeUser, "jörg"}, local) && domain == "mx.example":
		problem = "550 nobody"
	}
	if problem != "" {
		s.refuse(problem)
		return
	}
	s.rcpts = append(s.rcpts, path)
	s.say(250, "go on")
}

// hops is how often a message may have been received.
const hops = 100

// deliver takes a message, or says why not.
func (s *session) deliver(content string) {
	rcpts := s.rcpts
	if !s.is("transaction-goes-on") {
		s.transaction = transaction{}
	}
	refused := strings.Count(content, "Received: ") > hops || s.is("nothing-taken")
	switch {
	case s.is("odd-received-refused") && strings.Contains(content, "garbage"),
		s.is("resent-refused") && strings.Contains(content, "Resent-"):
		refused = true
	}
	if !refused || s.is("refused-and-delivered") {
		s.store(content, len(rcpts))
	}
	replies := 1
	if s.lmtp && !s.is("lmtp-one-reply") {
		replies = len(rcpts)
	}
	if s.is("lmtp-reply-for-refused") {
		replies++
	}
	for range replies {
		if refused {
			s.say(554, "no")
		} else {
			s.say(250, "it is ours now")
		}
	}
}

func (s *session) store(content string, n int) {
	trace := "Received: from parley.example by mx.example; Thu, 26 Nov 2026 12:00:00 +0000\r\n"
	switch {
	case s.is("lost"):
		if !strings.Contains(content, "-last") {
			return
		}
	case s.is("no-received"):
		trace = ""
	case s.is("received-year-of-two-digits"):
		trace = strings.Replace(trace, "2026", "26", 1)
	case s.is("adds-a-field"):
		trace += "X-Seen: yes\r\n"
		content = strings.Replace(content, "\r\nSubject:", "\r\nX-Seen: yes\r\nSubject:", 1)
	case s.is("trims-blanks"):
		content = strings.ReplaceAll(content, "  \r\n", "\r\n")
	case s.is("wraps-lines"):
		if len(content) > 990 {
			content = content[:900] + "\r\n" + content[900:]
		}
	case s.is("seven-bits"):
		octets := []byte(content)
		for i := range octets {
			octets[i] &= 0x7f
		}
		content = string(octets)
	case s.is("lone-cr-becomes-crlf"):
		content = strings.ReplaceAll(content, "\r\x80", "\r\n\x80")
	}
	if s.is("one-each") {
		for range n {
			s.box.add(trace + content)
		}
	}
	s.box.add(trace + content)
	if s.is("delivers-twice") {
		s.box.add(trace + content)
	}
}

// ends are the ways in which faulty servers end content too.
var ends = map[string]string{
	"end-lf-lf": "\n.\n", "end-lf-crlf": "\n.\r\n", "end-crlf-lf": "\r\n.\n", "end-cr-cr": "\r.\r",
	"end-crlf-cr": "\r\n.\r", "end-cr-crlf": "\r.\r\n", "end-lf-cr": "\n.\r", "end-cr-lf": "\r.\n",
	"end-lf-lf-alone":  "\n.\n", // and what stands behind it is thrown away
	"end-lf-lf-closes": "\n.\n", // and if something does, the message is, too
}

func (s *session) data(arg string) {
	problem := ""
	switch {
	case strings.Trim(arg, " ") != "":
		problem = "501 nothing may follow"
	case s.chunked || s.binary:
		problem = "503 not now"
		if s.is("data-after-bdat") {
			problem = ""
		}
	case len(s.rcpts) == 0 && !s.is("data-without-rcpt"):
		problem = "503 RCPT first"
	}
	if problem != "" {
		s.refuse(problem)
		return
	}
	s.out.WriteString("354 go on\r\n")
	s.flush()
	content := []byte("\r\n")
	end := ends[s.fault.name]
	for !bytes.HasSuffix(content, []byte("\r\n.\r\n")) && (end == "" || !bytes.HasSuffix(content, []byte(end))) {
		c, err := s.in.ReadByte()
		if err != nil {
			if s.is("delivers-the-cut") {
				s.deliver(string(content[2:]))
			}
			s.gone = true
			return
		}
		content = append(content, c)
		if len(content) > 60000 && s.is("sixty-thousand-octets") {
			s.say(552, "too much")
			s.gone = true
			return
		}
		if s.is("size-ends-content") && len(content) > 150 && bytes.Contains(content, []byte("much more")) {
			break
		}
		if s.is("quit-in-content") && bytes.HasSuffix(content, []byte("\r\nQUIT\r\n")) {
			s.deliver(string(content[2:]))
			s.gone = true
			return
		}
	}
	if s.is("end-lf-lf-closes") && s.in.Buffered() > 0 {
		s.gone = true
		return
	}
	if s.is("flushes-input") || s.is("end-lf-lf-alone") {
		_, _ = s.in.Discard(s.in.Buffered())
	}
	text := strings.TrimSuffix(string(content), ".\r\n")
	if !s.is("dots-stay") {
		text = strings.ReplaceAll(text, "\r\n.", "\r\n")
	}
	if s.is("all-dots-go") {
		text = strings.ReplaceAll(text, "\r\n.", "\r\n")
	}
	if len(s.rcpts) == 0 {
		s.say(250, "for nobody")
		return
	}
	s.deliver(strings.TrimPrefix(text, "\r\n"))
}

func (s *session) bdat(arg string) {
	words := strings.Fields(arg)
	if s.bare || len(words) == 0 {
		s.say(500, "what?")
		return
	}
	n, err := strconv.Atoi(words[0])
	if err != nil || n < 0 || n > 1<<20 {
		s.say(501, "not like that")
		s.gone = true
		return
	}
	ok := len(s.rcpts) > 0
	if !ok && s.is("refused-chunk-stays") {
		s.say(503, "RCPT first")
		return
	}
	chunk := make([]byte, n)
	for i := range chunk {
		if chunk[i], err = s.in.ReadByte(); err != nil {
			s.gone = true
			return
		}
	}
	if !ok {
		s.say(503, "RCPT first")
		return
	}
	s.chunked = true
	s.chunks = append(s.chunks, chunk...)
	if s.is("chunks-unstuffed") {
		s.chunks = bytes.ReplaceAll(s.chunks, []byte("\r\n."), []byte("\r\n"))
	}
	if len(words) == 1 {
		if s.is("chunks-unanswered") {
			return
		}
		s.say(250, "more")
		return
	}
	if n == 0 && s.is("empty-last-chunk") {
		s.say(501, "nothing")
		return
	}
	s.deliver(string(s.chunks))
}

func (s *session) startTLS(arg string) {
	switch {
	case s.bare:
		s.say(502, "not here")
		return
	case arg != "":
		s.say(501, "nothing may follow")
		return
	case s.inTLS && !s.is("starttls-twice"):
		s.say(503, "again?")
		return
	}
	s.say(220, "go on")
	s.flush()
	ahead := ""
	if s.is("clear-behind-starttls") {
		octets, _ := s.in.Peek(s.in.Buffered())
		ahead = string(octets)
	}
	secure := tls.Server(s.nc, s.tls)
	if secure.Handshake() != nil {
		s.gone = true
		return
	}
	s.nc, s.in, s.inTLS = secure, bufio.NewReaderSize(secure, 64<<10), true
	if !s.is("tls-keeps") {
		s.greeted, s.transaction = false, transaction{}
	}
	for line := range strings.Lines(ahead) {
		s.command(strings.TrimRight(line, "\r\n"))
	}
	s.flush()
}

// response reads what answers a challenge; a code if it cannot be used.
func (s *session) response(challenge string) (text string, code int) {
	s.out.WriteString("334 " + challenge + "\r\n")
	s.flush()
	line, ok := s.line()
	switch {
	case !ok:
		s.gone = true
		return "", 421
	case line == "*":
		if s.is("cancel-fails") {
			return "", 535
		}
		return "", 501
	case len(line) > 1000 && s.is("short-auth-lines"):
		s.gone = true
		return "", 421
	}
	return s.decode(line)
}

func (s *session) decode(line string) (text string, code int) {
	plain, err := base64.StdEncoding.DecodeString(line)
	if s.is("any-base64") {
		loose := strings.NewReplacer("=", "", "!", "").Replace(line)
		plain, err = base64.RawStdEncoding.DecodeString(loose)
		if err != nil {
			return "", 535
		}
	}
	if err != nil {
		return "", 501
	}
	return string(plain), 0
}

func (s *session) auth(arg string) {
	mechanism, initial, given := strings.Cut(arg, " ")
	if !s.is("mechanisms-in-capitals") {
		mechanism = strings.ToUpper(mechanism)
	}
	switch {
	case s.bare || s.user == "":
		s.say(502, "not here")
		return
	case !s.inTLS:
		if s.is("auth-clear-tells") && initial == base64.StdEncoding.EncodeToString([]byte("\x00"+fakeUser+"\x00"+fakePassword)) {
			s.say(538, "right, but not in clear")
			return
		}
		s.say(535, "not in clear")
		return
	case s.who != "" && !s.is("auth-twice"), s.mail && !s.is("auth-within"):
		s.say(503, "not now")
		return
	}
	steps := map[string]func(string, bool) int{
		"PLAIN": s.plain, "LOGIN": s.login, "CRAM-MD5": s.cram, "SCRAM-SHA-256": s.scram, "OAUTHBEARER": s.token, "GSSAPI": s.gssapi,
	}
	step, ok := steps[mechanism]
	if !ok {
		s.say(504, "no such thing")
		return
	}
	code := 0
	switch {
	case initial == "=":
		initial, given = "", !s.is("equals-is-nothing")
	case given:
		initial, code = s.decode(initial)
	}
	if code == 0 {
		code = step(initial, given)
	}
	if code == 235 {
		s.who = fakeUser
	}
	s.say(code, "that is that")
}

func (s *session) plain(text string, given bool) int {
	if !given {
		challenge, code := "", 0
		if s.is("challenge-of-words") {
			challenge = "go on!"
		}
		if s.is("challenge-not-empty") {
			challenge = "eA=="
		}
		if text, code = s.response(challenge); code != 0 {
			return code
		}
	}
	parts := strings.Split(text, "\x00")
	switch {
	case len(parts) == 3 && len(parts[2]) > 100 && s.is("short-passwords"):
		return 501
	case len(parts) == 3 && parts[1] == fakeUser+"x" && s.is("any-base64"):
		return 235
	case len(parts) != 3 || parts[1] != fakeUser || parts[2] != fakePassword:
		return 535
	}
	return 235
}

func (s *session) login(string, bool) int {
	for _, prompt := range []string{"VXNlcm5hbWU6", "UGFzc3dvcmQ6"} {
		if _, code := s.response(prompt); code != 0 {
			return code
		}
	}
	return 535
}

func (s *session) cram(_ string, given bool) int {
	if given && !s.is("initial-for-server-first") {
		return 501
	}
	if _, code := s.response("PDFAbXguZXhhbXBsZT4="); code != 0 {
		return code
	}
	return 535
}

func (s *session) gssapi(string, bool) int {
	if s.is("gssapi-without-credentials") {
		return 535
	}
	if _, code := s.response(""); code != 0 {
		return code
	}
	return 535
}

func (s *session) token(string, bool) int {
	if s.is("token-refused-at-once") {
		return 535
	}
	if _, code := s.response(base64.StdEncoding.EncodeToString([]byte(`{"status":"invalid_token"}`))); code != 0 {
		return code
	}
	return 535
}

var badEscape = regexp.MustCompile(`=([^23]|2[^C]|3[^D]|$)`)

// scram is the server's half (RFC 5802 §3).
func (s *session) scram(first string, given bool) int {
	if !given {
		code := 0
		if first, code = s.response(""); code != 0 {
			return code
		}
	}
	header, bare, _ := strings.Cut(first, ",,")
	user, nonce, _ := strings.Cut(strings.TrimPrefix(bare, "n="), ",r=")
	switch {
	case badEscape.MatchString(user) && s.is("bad-escape-taken"):
		return 235
	case badEscape.MatchString(user), header == "y" && !s.is("downgrade-taken"):
		return 535
	}
	iterations := 4096
	if s.is("few-iterations") {
		iterations = 1000
	}
	challenge := fmt.Sprintf("r=%sserver,s=c2FsdA==,i=%d", nonce, iterations)
	final, code := s.response(base64.StdEncoding.EncodeToString([]byte(challenge)))
	if code != 0 {
		return code
	}
	without, proof, _ := strings.Cut(final, ",p=")
	bound := base64.StdEncoding.EncodeToString([]byte(header + ",,"))
	if !strings.HasPrefix(without, "c="+bound+",") && !s.is("binding-unverified") {
		return 535
	}
	salted, err := pbkdf2.Key(sha256.New, fakePassword, []byte("salt"), iterations, sha256.Size)
	if err != nil {
		return 454
	}
	mac := func(key []byte, text string) []byte {
		h := hmac.New(sha256.New, key)
		h.Write([]byte(text))
		return h.Sum(nil)
	}
	client := mac(salted, "Client Key")
	stored := sha256.Sum256(client)
	signature := mac(stored[:], bare+","+challenge+","+without)
	for i := range client {
		client[i] ^= signature[i]
	}
	if user != fakeUser || proof != base64.StdEncoding.EncodeToString(client) {
		return 535
	}
	verifier := mac(mac(salted, "Server Key"), bare+","+challenge+","+without)
	if _, code := s.response(base64.StdEncoding.EncodeToString([]byte("v=" + base64.StdEncoding.EncodeToString(verifier)))); code != 0 {
		return code
	}
	return 235
}
