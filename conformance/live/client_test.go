package live_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/parley-mail/parley/conformance/foreign"
	"github.com/parley-mail/parley/conformance/live"
)

// fake is a small client, honest but for what its fault says.
type fake struct{ fault string }

// exchange is one run of it.
type talk struct {
	fault  string
	t      *live.Task
	nc     net.Conn
	in     *bufio.Reader
	offers map[string]string
	secure bool
	done   bool // the end of the content was sent
	ok     []bool
	temp   bool
	perm   bool
}

// code is how a fake ends.
type code int

func (c code) Error() string { return "exit code " + strconv.Itoa(int(c)) }

var (
	errReply   = errors.New("what is no reply")
	errTimeout = errors.New("no patience left")
)

func (f fake) Do(ctx context.Context, t *live.Task) (*live.Claim, error) {
	if f.fault == "crash" {
		return &live.Claim{Code: 2, Crash: "panic: at the disco"}, nil
	}
	c := &talk{fault: f.fault, t: t, ok: make([]bool, len(t.To))}
	err := c.run(ctx)
	if c.nc != nil {
		c.nc.Close()
	}
	claim := &live.Claim{Code: c.code(err)}
	if f.fault == "hang" {
		<-ctx.Done()
		claim.Hung = true
	}
	if f.fault == "glutton" && len(t.To) > 1 {
		claim.Memory = 1 << 30
	}
	if f.fault == "glutton" && len(t.To) == 1 {
		claim.Memory = 8 << 20
	}
	return claim, nil
}

// code makes an exit code of how it went.
func (c *talk) code(err error) int {
	var exit code
	switch {
	case errors.As(err, &exit):
		return int(exit)
	case c.fault == "eof-is-success" && errors.Is(err, io.EOF) && c.done:
		return foreign.CodeAccepted
	case err != nil && c.done:
		return foreign.CodeUnknown
	case err != nil:
		return foreign.CodeTemporary
	case c.fault == "denies":
		return foreign.CodeTemporary
	case !slices.Contains(c.ok, false):
		return foreign.CodeAccepted
	case c.perm:
		return foreign.CodePermanent
	}
	return foreign.CodeTemporary
}

func ascii(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r > 126 || r < ' ' })
}

// able says whether the task can be done at all.
func (c *talk) able() error {
	for _, s := range append([]string{c.t.Hello, c.t.From}, c.t.To...) {
		if !ascii(s) && c.fault != "injects" {
			return code(65)
		}
	}
	if !strings.ContainsAny(c.t.Hello, ".[") || strings.Contains(c.t.Hello, "_") {
		return code(65)
	}
	if c.t.Mechanisms != nil && !slices.Contains(c.t.Mechanisms, "any") && !slices.Contains(c.t.Mechanisms, "PLAIN") || c.t.Data == "bdat" || c.t.Token != "" {
		return code(foreign.CodeUnimplemented)
	}
	return nil
}

func (c *talk) run(ctx context.Context) error {
	if err := c.able(); err != nil {
		return err
	}
	nc, err := (&net.Dialer{}).DialContext(ctx, "tcp", net.JoinHostPort(c.t.Host, strconv.Itoa(c.t.Port)))
	if err != nil {
		return code(foreign.CodeTemporary)
	}
	c.use(nc)
	if c.t.TLS == "implicit" {
		if err := c.startTLS(ctx); err != nil {
			return err
		}
	}
	greeting, _, err := c.reply()
	switch {
	case err != nil:
		return err
	case greeting == 421:
		return code(foreign.CodeTemporary)
	case greeting/100 != 2:
		return c.quit(code(classCode(greeting)))
	}
	if err := c.hello(ctx); err != nil {
		return err
	}
	if err := c.auth(); err != nil {
		return err
	}
	return c.message()
}

func classCode(reply int) int {
	if reply/100 == 5 {
		return foreign.CodePermanent
	}
	return foreign.CodeTemporary
}

func (c *talk) use(nc net.Conn) { c.nc, c.in = nc, bufio.NewReaderSize(nc, 64<<10) }

func (c *talk) write(s string) error {
	_, err := io.WriteString(c.nc, s)
	return err
}

// reply reads a reply of lines in form, all of one code, within the patience for it.
func (c *talk) reply() (int, []string, error) {
	if c.fault != "no-clock" {
		c.nc.SetReadDeadline(time.Now().Add(c.t.Patience))
	}
	var lines []string
	first := 0
	for {
		line, err := c.in.ReadString('\n')
		var late net.Error
		switch {
		case errors.As(err, &late) && late.Timeout():
			return 0, nil, errTimeout
		case err != nil && c.fault == "half-a-reply" && len(line) > 3:
			line += "\r\n"
		case err != nil:
			return 0, nil, fmt.Errorf("%w", err)
		}
		text := strings.TrimRight(line, "\r\n")
		n, err := strconv.Atoi(text[:min(3, len(text))])
		if err != nil || n < 200 || n > 599 || len(text) > 3 && text[3] != ' ' && text[3] != '-' || first != 0 && n != first {
			return 0, nil, errReply
		}
		first = n
		lines = append(lines, text[min(4, len(text)):])
		if len(text) == 3 || text[3] == ' ' {
			break
		}
	}
	if c.in.Buffered() > 0 && !(c.t.LMTP && c.done) && c.fault != "keeps-clear-octets" && c.fault != "out-of-step" {
		return 0, nil, errReply // nobody asked for it
	}
	return first, lines, nil
}

// farewell is a 421, or another word of going.
func farewell(n int) bool { return n == 421 || n == 221 }

func (c *talk) ask(line string) (int, []string, error) {
	end := "\r\n"
	if c.fault == "bare-lf-command" {
		end = "\n"
	}
	if err := c.write(line + end); err != nil {
		return 0, nil, err
	}
	n, lines, err := c.reply()
	if err == nil && farewell(n) && line != "QUIT" && c.fault != "ignores-421" {
		return 0, nil, code(foreign.CodeTemporary)
	}
	return n, lines, err
}

// quit takes leave; err is what is to be said of the message.
func (c *talk) quit(err error) error {
	if c.fault == "no-quit" {
		return err
	}
	if _, _, failed := c.ask("QUIT"); failed == nil {
		c.nc.Close()
	}
	return err
}

func (c *talk) hello(ctx context.Context) error {
	verb := "EHLO "
	if c.t.LMTP {
		verb = "LHLO "
	}
	if c.fault == "mail-first" {
		return nil
	}
	n, lines, err := c.ask(verb + c.t.Hello)
	if err != nil {
		return err
	}
	c.offers = map[string]string{}
	for _, line := range lines[min(1, len(lines)):] {
		key, args, _ := strings.Cut(line, " ")
		key = strings.ToUpper(key)
		if old, ok := strings.CutPrefix(key, "AUTH="); ok {
			key, args = "AUTH", old+" "+args
		}
		c.offers[key] += " " + strings.ToUpper(args)
	}
	if n/100 != 2 {
		if c.t.LMTP || n != 500 && n != 502 && n/100 != 5 || c.t.TLS == "starttls" && !c.secure {
			return c.quit(code(classCode(n)))
		}
		c.offers = nil
		if n, _, err = c.ask("HELO " + c.t.Hello); err != nil {
			return err
		}
		if n/100 != 2 {
			return c.quit(code(classCode(n)))
		}
	}
	if c.t.TLS != "starttls" || c.secure {
		return nil
	}
	if c.fault == "clear" {
		return nil
	}
	if _, ok := c.offers["STARTTLS"]; !ok {
		return c.quit(code(78))
	}
	switch n, _, err := c.ask("STARTTLS"); {
	case err != nil:
		return err
	case n != 220:
		return c.quit(code(78))
	}
	if err := c.startTLS(ctx); err != nil {
		return err
	}
	return c.hello(ctx)
}

func (c *talk) startTLS(ctx context.Context) error {
	pem, err := os.ReadFile(c.t.CA)
	if err != nil {
		return err
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	kept, _ := c.in.Peek(c.in.Buffered())
	kept = bytes.Clone(kept)
	secured := tls.Client(c.nc, &tls.Config{RootCAs: pool, ServerName: c.t.Host, InsecureSkipVerify: c.fault == "any-certificate"})
	c.nc.SetDeadline(time.Now().Add(c.t.Patience))
	if err := secured.HandshakeContext(ctx); err != nil {
		return code(77)
	}
	c.nc.SetDeadline(time.Time{})
	c.use(secured)
	if c.fault == "keeps-clear-octets" {
		c.in = bufio.NewReader(io.MultiReader(bytes.NewReader(kept), secured))
	}
	c.secure = true
	return nil
}

func (c *talk) auth() error {
	if c.t.Mechanisms == nil {
		return nil
	}
	list, ok := c.offers["AUTH"]
	if !ok || !slices.Contains(strings.Fields(list), "PLAIN") || !c.secure && !c.t.Plaintext || c.t.User == "" {
		return c.quit(code(77))
	}
	secret := base64.StdEncoding.EncodeToString([]byte("\x00" + c.t.User + "\x00" + c.t.Errand.Password))
	line := "AUTH PLAIN " + secret
	if len(line) > 510 {
		line = "AUTH PLAIN"
	}
	n, text, err := c.ask(line)
	for err == nil && n == 334 {
		if line == "AUTH PLAIN" && len(text) > 0 {
			n, text, err = c.ask(secret)
			line = ""
			continue
		}
		n, text, err = c.ask("*")
	}
	switch {
	case err != nil:
		return err
	case n == 235:
		return nil
	}
	return c.quit(code(77))
}

// message sends the message, one command at a time.
func (c *talk) message() error {
	if slices.ContainsFunc(c.t.Content, func(b byte) bool { return b > 127 }) && c.fault != "eight-bits" {
		if _, ok := c.offers["8BITMIME"]; !ok {
			return c.quit(code(65))
		}
	}
	mail := "MAIL FROM:<" + c.t.From + ">"
	if c.fault == "parameters" {
		mail += " SIZE=" + strconv.Itoa(len(c.t.Content))
	}
	if c.fault == "pipelines" {
		return c.pipelined(mail)
	}
	n, _, err := c.ask(mail)
	if err != nil {
		return err
	}
	if n/100 != 2 {
		return c.quit(code(classCode(n)))
	}
	some := false
	for i, to := range c.t.To {
		n, _, err := c.ask("RCPT TO:<" + to + ">")
		if err != nil {
			return err
		}
		c.note(i, n, n == 552)
		some = some || n/100 == 2
	}
	if !some && c.fault != "data-anyway" {
		return c.quit(nil)
	}
	n, _, err = c.ask("DATA")
	if err != nil {
		return err
	}
	if n != 354 && c.fault != "data-anyway" {
		if n < 400 {
			return errReply
		}
		c.all(n)
		return c.quit(nil)
	}
	if err := c.write(c.stuffed()); err != nil {
		return err
	}
	c.done = true
	for i, ok := range slices.Clone(c.ok) {
		if !ok {
			continue
		}
		n, _, err := c.final()
		if err != nil {
			return err
		}
		if c.t.LMTP {
			c.note(i, n, false)
			continue
		}
		c.all(n)
		break
	}
	return c.quit(nil)
}

func (c *talk) final() (int, []string, error) {
	n, text, err := c.reply()
	switch {
	case err != nil:
	case farewell(n), n/100 == 3:
		return 0, nil, errReply
	case c.fault == "550-is-success" && n/100 == 5:
		n = 250
	}
	return n, text, err
}

// note keeps what was said of a recipient.
func (c *talk) note(i, n int, later bool) {
	c.ok[i] = n/100 == 2
	c.temp = c.temp || n/100 == 4 || later
	c.perm = c.perm || n/100 == 5 && !later
}

// all keeps what was said of all that were not refused.
func (c *talk) all(n int) {
	for i, ok := range c.ok {
		if ok {
			c.note(i, n, false)
		}
	}
}

func (c *talk) pipelined(mail string) error {
	all := mail + "\r\n"
	for _, to := range c.t.To {
		all += "RCPT TO:<" + to + ">\r\n"
	}
	if err := c.write(all); err != nil {
		return err
	}
	for range len(c.t.To) + 1 {
		if _, _, err := c.reply(); err != nil {
			return err
		}
	}
	return c.quit(code(foreign.CodeTemporary))
}

// stuffed is the content as it goes out.
func (c *talk) stuffed() string {
	text := strings.ReplaceAll(strings.ReplaceAll(string(c.t.Content), "\r\n", "\n"), "\r", "\n")
	if text != "" && !strings.HasSuffix(text, "\n") {
		text += "\n"
	}
	var b strings.Builder
	for line := range strings.Lines(text) {
		if line[0] == '.' && c.fault != "no-dots" {
			b.WriteByte('.')
		}
		b.WriteString(line)
	}
	if c.fault == "bare-lf" {
		return b.String() + ".\n"
	}
	return strings.ReplaceAll(b.String(), "\n", "\r\n") + ".\r\n"
}
