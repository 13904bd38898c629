package live

import (
	"bytes"
	"context"
	"encoding/base64"
	"strings"
)

// phases are the order in which commands of a message come. A command may pass over those
// of the script that belong to a phase before its own, and over those of phase 0.
var phases = map[string]int{
	"EHLO": 1, "LHLO": 1, "HELO": 1, "STARTTLS": 2, "AUTH": 3, "334": 3, "*": 3, "MAIL": 4, "RCPT": 5, "DATA": 6, "BDAT": 6, ".": 7, "QUIT": 9,
}

// find returns the exchange of the script that a command of the client is, or nil if the
// script does not foresee it.
func (v *conversation) find(verb, path string) *exchange {
	found := -1
	for i := range v.plan.exchanges {
		e := &v.plan.exchanges[i]
		if v.used[i] {
			continue
		}
		if same(verb, e.verb) && (verb != "RCPT" || found < 0 || e.path == path) {
			found = i
			if verb != "RCPT" || e.path == path {
				break
			}
		}
		if verb == "QUIT" || phases[e.verb] == 0 && phases[verb] > 0 || phases[e.verb] < phases[verb] && phases[verb] > 0 {
			continue
		}
		if verb == "RCPT" && e.verb == "RCPT" {
			continue
		}
		break
	}
	if found < 0 {
		return nil
	}
	if verb != "QUIT" { // which says nothing of how far the client has come
		v.furthest = max(v.furthest, found)
	}
	v.used[found] = true
	for i := range found {
		if verb != "RCPT" || v.plan.exchanges[i].verb != "RCPT" {
			v.used[i] = true
		}
	}
	return &v.plan.exchanges[found]
}

// same reports whether a client's command can be that of the script.
func same(verb, scripted string) bool {
	switch scripted {
	case "EHLO", "LHLO":
		return verb == "EHLO" || verb == "LHLO"
	case "334", "*":
		return verb == "334" || verb == "*"
	}
	return verb == scripted
}

// answer answers a command: by the script if it foresees it.
func (v *conversation) answer(ctx context.Context, verb, arg string) error {
	if v.by.Ended() != "" {
		return v.afterwards(ctx, verb)
	}
	switch verb {
	case "EHLO", "LHLO":
		if (verb == "LHLO") != v.plan.errand.LMTP {
			return v.reply(ctx, "500 5.5.1 that is another protocol's")
		}
	case "AUTH":
		return v.authenticate(ctx, arg)
	case "334", "*":
		return v.respond(ctx, verb)
	case "BDAT":
		return v.chunked(ctx, arg)
	case "DATA":
		if v.chunksDue() {
			return v.reply(ctx, "354 go on")
		}
	case ".":
		if e := v.find(".", ""); e != nil {
			return v.play(ctx, e)
		}
		return v.replyEnd(ctx)
	case "HELO":
		if e := v.helloInstead(); e != nil {
			return v.play(ctx, e)
		}
	}
	if e := v.find(verb, between(arg)); e != nil {
		return v.play(ctx, e)
	}
	return v.improvise(ctx, verb)
}

// play does what the script says.
func (v *conversation) play(ctx context.Context, e *exchange) error {
	if len(e.acts) == 0 {
		return v.improvise(ctx, e.verb)
	}
	switch e.verb {
	case "EHLO", "LHLO":
		v.hello = nil
	case "STARTTLS":
		first := e.acts[0].octets
		v.injected = len(e.acts) > 1 && e.acts[1].kind == say || bytes.IndexByte(first, '\n') < len(first)-1
	}
	err := v.acts(ctx, e.acts)
	if err != nil {
		return err
	}
	switch e.verb {
	case "EHLO", "LHLO":
		for _, a := range e.acts {
			v.hello = append(v.hello, a.octets...)
		}
	case "STARTTLS":
		return v.afterSTARTTLS(ctx, e)
	}
	return nil
}

// afterSTARTTLS goes on behind the answer to STARTTLS where the script has the client
// leave: it may also begin the handshake.
func (v *conversation) afterSTARTTLS(ctx context.Context, e *exchange) error {
	if v.by.Secure() || e.acts[0].kind != say || !bytes.HasPrefix(e.acts[0].octets, []byte("220")) {
		return nil
	}
	return v.handshake(ctx, "good")
}

// chunksDue reports whether the script has BDAT where the client uses DATA.
func (v *conversation) chunksDue() bool {
	for i := range v.plan.exchanges {
		if e := &v.plan.exchanges[i]; !v.used[i] && phases[e.verb] >= phases["DATA"] {
			return e.verb == "BDAT"
		}
	}
	return false
}

// chunked answers BDAT, where the script may have DATA.
func (v *conversation) chunked(ctx context.Context, arg string) error {
	last := strings.HasSuffix(strings.ToUpper(arg), " LAST")
	if e, foreseen := v.scriptedChunk(last); e != nil {
		return v.play(ctx, e)
	} else if foreseen && last {
		return v.replyEnd(ctx)
	}
	data := v.find("DATA", "")
	switch {
	case data != nil && (len(data.acts) == 0 || data.acts[0].kind != say || data.acts[0].octets[0] != '3'):
		return v.play(ctx, data)
	case !last:
		return v.reply(ctx, "250 2.0.0 taken")
	}
	if e := v.find(".", ""); e != nil {
		return v.play(ctx, e)
	}
	return v.replyEnd(ctx)
}

// scriptedChunk returns the exchange of the script that a chunk is: the client may part
// content in another way, so a chunk that ends it is the script's last one, unless one
// before was refused. Foreseen says that the script has chunks here at all.
func (v *conversation) scriptedChunk(last bool) (e *exchange, foreseen bool) {
	for i := range v.plan.exchanges {
		x := &v.plan.exchanges[i]
		switch {
		case v.used[i] || phases[x.verb] < phases["BDAT"]:
			continue
		case x.verb != "BDAT":
			return nil, foreseen
		}
		foreseen = true
		good := len(x.acts) == 1 && x.acts[0].kind == say && x.acts[0].octets[0] == '2'
		if x.last && !last {
			return nil, true
		}
		if x.last == last || !good && !v.plan.errand.LMTP {
			for k := range i + 1 {
				v.used[k] = true
			}
			v.furthest = max(v.furthest, i)
			return x, true
		}
	}
	return nil, foreseen
}

// replyEnd answers the end of content that the script does not foresee.
func (v *conversation) replyEnd(ctx context.Context) error {
	tx := v.by.Transactions()
	if len(tx) == 0 {
		return v.reply(ctx, "554 5.5.1 no recipients")
	}
	n := 0
	for _, r := range tx[len(tx)-1].Rcpts {
		if r.Code/100 == 2 {
			n++
		}
	}
	switch {
	case n == 0:
		return v.reply(ctx, "554 5.5.1 no recipients")
	case !v.plan.errand.LMTP:
		n = 1
	}
	return v.reply(ctx, strings.TrimSuffix(strings.Repeat("250 2.0.0 taken\r\n", n), "\r\n"))
}

// helloInstead returns the exchange of an EHLO that the client leaves out.
func (v *conversation) helloInstead() *exchange {
	for i := range v.plan.exchanges {
		e := &v.plan.exchanges[i]
		if v.used[i] {
			continue
		}
		if e.verb != "EHLO" || len(e.acts) == 0 || e.acts[0].kind != say || bytes.HasPrefix(e.acts[0].octets, []byte("250")) {
			return nil
		}
		v.used[i] = true
		return e
	}
	return nil
}

func (v *conversation) reply(ctx context.Context, text string) error {
	return v.acts(ctx, []act{{kind: say, octets: []byte(text + "\r\n")}})
}

// afterwards answers who does not leave although the server has taken its leave.
func (v *conversation) afterwards(ctx context.Context, verb string) error {
	text := "421 4.3.2 closing"
	if verb == "QUIT" {
		text = "221 2.0.0 bye"
	}
	if err := v.reply(ctx, text); err != nil {
		return err
	}
	v.scripted = true
	return v.act(ctx, act{kind: finish})
}

// improvise answers what the script does not foresee.
func (v *conversation) improvise(ctx context.Context, verb string) error {
	tx := v.by.Transactions()
	open := v.by.Open()
	switch verb {
	case "EHLO", "LHLO":
		if v.hello == nil {
			return v.reply(ctx, "250 s.example")
		}
		return v.acts(ctx, []act{{kind: say, octets: v.hello}})
	case "HELO":
		return v.reply(ctx, "250 s.example")
	case "STARTTLS":
		if _, ok := v.by.Offered("STARTTLS"); !ok || v.by.Secure() {
			return v.reply(ctx, "502 5.5.1 not offered")
		}
		if err := v.reply(ctx, "220 2.0.0 go on"); err != nil {
			return err
		}
		return v.handshake(ctx, "good")
	case "MAIL":
		return v.reply(ctx, "250 2.1.0 ok")
	case "RCPT":
		if !open {
			return v.reply(ctx, "503 5.5.1 MAIL first")
		}
		return v.reply(ctx, "250 2.1.5 ok")
	case "DATA":
		accepted := 0
		if open {
			for _, r := range tx[len(tx)-1].Rcpts {
				if r.Code/100 == 2 {
					accepted++
				}
			}
		}
		switch {
		case !open:
			return v.reply(ctx, "503 5.5.1 MAIL first")
		case accepted == 0:
			return v.reply(ctx, "554 5.5.1 no recipients")
		}
		return v.reply(ctx, "354 go on")
	case "RSET", "NOOP":
		return v.reply(ctx, "250 2.0.0 ok")
	case "VRFY":
		return v.reply(ctx, "252 2.5.0 perhaps")
	case "HELP":
		return v.reply(ctx, "214 2.0.0 see RFC 5321")
	case "QUIT":
		if err := v.reply(ctx, "221 2.0.0 bye"); err != nil {
			return err
		}
		return v.act(ctx, act{kind: finish})
	}
	return v.reply(ctx, "500 5.5.1 what?")
}

// withoutTLS takes STARTTLS out of a reply to EHLO.
func withoutTLS(hello []byte) []byte {
	var lines [][]byte
	for line := range bytes.Lines(hello) {
		if len(line) > 4 && strings.EqualFold(strings.TrimSpace(string(line[4:])), "STARTTLS") {
			continue
		}
		lines = append(lines, bytes.Clone(line))
	}
	for i, line := range lines {
		if len(line) > 3 && (line[3] == '-' || line[3] == ' ') {
			line[3] = '-'
			if i == len(lines)-1 {
				line[3] = ' '
			}
		}
	}
	return bytes.Join(lines, nil)
}

// authenticate begins an exchange: the script's if it is about the client's mechanism,
// and otherwise one whose end is the script's.
func (v *conversation) authenticate(ctx context.Context, arg string) error {
	mech, initial, _ := strings.Cut(arg, " ")
	mech = strings.ToUpper(mech)
	if _, ok := v.by.Offered("AUTH"); !ok {
		if e := v.find("AUTH", ""); e != nil {
			return v.play(ctx, e)
		}
		return v.reply(ctx, "503 5.5.1 not offered")
	}
	e := v.find("AUTH", "")
	if e != nil && strings.EqualFold(e.mech, mech) && e.initial == (initial != "") {
		return v.play(ctx, e)
	}
	asks := map[string][]string{"LOGIN": {"Username:", "Password:"}, "PLAIN": {""}, "XOAUTH2": {""}, "OAUTHBEARER": {""}, "CRAM-MD5": {"<1896.697170952@s.example>"}}[mech]
	if initial != "" && len(asks) > 0 {
		asks = asks[1:]
	}
	v.auth = &challenge{asks: asks}
	if e != nil && len(e.acts) > 0 && (e.acts[0].kind != say || !bytes.HasPrefix(e.acts[0].octets, []byte("334"))) {
		v.auth.final = e
	} else if e != nil {
		v.auth.final = v.verdictOf()
	}
	return v.ask(ctx)
}

// verdictOf returns the exchange by which the script ends the SASL exchange at hand.
func (v *conversation) verdictOf() *exchange {
	for i := range v.plan.exchanges {
		e := &v.plan.exchanges[i]
		if v.used[i] || e.verb != "334" && e.verb != "*" {
			continue
		}
		if len(e.acts) > 0 && e.acts[0].kind == say && !bytes.HasPrefix(e.acts[0].octets, []byte("334")) && e.verb == "334" {
			return e
		}
	}
	return nil
}

// ask says the next challenge, or the end.
func (v *conversation) ask(ctx context.Context) error {
	c := v.auth
	if len(c.asks) > 0 {
		text := c.asks[0]
		c.asks = c.asks[1:]
		return v.reply(ctx, "334 "+base64.StdEncoding.EncodeToString([]byte(text)))
	}
	v.auth = nil
	if c.final != nil {
		return v.acts(ctx, c.final.acts)
	}
	return v.reply(ctx, "235 2.7.0 welcome")
}

// respond takes the answer to a challenge.
func (v *conversation) respond(ctx context.Context, verb string) error {
	if v.auth != nil {
		if verb == "*" {
			v.auth = nil
			return v.reply(ctx, "501 5.7.0 as you like")
		}
		return v.ask(ctx)
	}
	e := v.find(verb, "")
	switch {
	case e == nil && verb == "*":
		return v.reply(ctx, "501 5.7.0 as you like")
	case e == nil, e.verb != verb && verb == "334":
		return v.reply(ctx, "535 5.7.8 no")
	case e.verb != verb:
		return v.reply(ctx, "501 5.7.0 as you like")
	}
	return v.play(ctx, e)
}
