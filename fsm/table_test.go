package fsm_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/parley-mail/parley/fsm"
)

// walk is a dialogue from a state: inputs, each with the state it leads to, or "-"
// for one that is illegal.
type walk struct {
	name string
	from fsm.State
	text string // "MAIL 5yz ready, RCPT 5yz ready, DATA 2yz -"
}

var walks = []walk{
	{"a refused greeting still gets its QUIT", fsm.Greeting, "CONNECT 5yz refused, QUIT 2yz closed"},
	{"a greeting of 3yz is none", fsm.Greeting, "CONNECT 3yz -, malformed failed"},
	{"EHLO is not understood", fsm.Greeted, "EHLO 5yz legacy, HELO 2yz ready"},
	{"EHLO is refused for now", fsm.Greeted, "EHLO 4yz refused, QUIT gone closed"},
	{"HELO without EHLO", fsm.Greeted, "HELO 2yz ready"},
	{"HELO is refused too", fsm.Greeted, "EHLO 5yz legacy, HELO 5yz refused, QUIT 5yz closed"},
	{"LMTP has no older form", fsm.Greeted, "LHLO 5yz refused, HELO 2yz -"},
	{"STARTTLS starts over", fsm.Ready, "STARTTLS 2yz handshake, secured greeted, EHLO 2yz ready"},
	{"a refused STARTTLS changes nothing", fsm.Ready, "STARTTLS 4yz ready, STARTTLS 5yz ready"},
	{"nothing but TLS in the handshake", fsm.Handshake, "EHLO 2yz -, malformed failed"},
	{"AUTH in one step and in three", fsm.Ready, "AUTH 2yz ready, AUTH 3yz auth, AUTH-RESPONSE 3yz auth, AUTH-RESPONSE 2yz ready"},
	{"AUTH is cancelled", fsm.Ready, "AUTH 3yz auth, AUTH-CANCEL 5yz ready"},
	{"a cancelled AUTH cannot succeed", fsm.Authenticating, "AUTH-CANCEL 2yz -, AUTH-CANCEL 3yz -"},

	{"a message", fsm.Ready, "MAIL 2yz sender, RCPT 2yz recipients, RCPT 5yz recipients, DATA 3yz content, END-OF-DATA 2yz ready"},
	{"terminal verbs open transactions", fsm.Ready, "SAML 2yz sender, RSET 2yz ready, SOML 2yz sender, RSET 2yz ready, SEND 2yz sender"},
	{"DATA cannot succeed at once", fsm.Recipients, "DATA 2yz -, DATA 4yz recipients, RSET 2yz ready"},
	{"moot DATA cannot succeed either", fsm.Ready, "DATA 2yz -, DATA 5yz ready"},
	{"moot DATA with a refused recipient", fsm.Sender, "DATA 2yz -, DATA 5yz sender, DATA 3yz lone_dot, END-OF-DATA 5yz ready"},
	{"a moot RCPT may be accepted by an odd server", fsm.Ready, "MAIL 5yz ready, RCPT 2yz ready, DATA 3yz lone_dot, END-OF-DATA 2yz ready"},
	{"LMTP has a reply for each recipient", fsm.Content, "END-OF-DATA+ 2yz content, END-OF-DATA+ 5yz content, END-OF-DATA 4yz ready"},

	{"chunks", fsm.Recipients, "BDAT 2yz chunks, BDAT 2yz chunks, BDAT-LAST 2yz ready"},
	{"one chunk", fsm.Recipients, "BDAT-LAST 5yz ready, MAIL 2yz sender"},
	{"a refused chunk in the middle", fsm.Recipients, "BDAT 2yz chunks, BDAT 4yz spoiled, BDAT 5yz spoiled, BDAT-LAST 5yz spoiled, RSET 2yz ready"},
	{"a refused first chunk", fsm.Recipients, "BDAT 5yz spoiled, QUIT 2yz closed"},
	{"an odd server goes on after a refused chunk", fsm.Recipients, "BDAT 5yz spoiled, BDAT 2yz spoiled, BDAT-LAST 2yz spoiled, RSET 2yz ready"},
	{"no MAIL joins a spoiled transaction", fsm.Spoiled, "MAIL 2yz -, RCPT 2yz -, DATA 3yz -"},
	{"DATA after a chunk", fsm.Chunks, "DATA 3yz -, RCPT 2yz -"},
	{"chunks after a refused MAIL", fsm.Ready, "MAIL 5yz ready, RCPT 5yz ready, BDAT 5yz ready, BDAT-LAST 5yz ready"},
	{"an odd server takes a moot chunk", fsm.Ready, "BDAT 2yz spoiled, BDAT-LAST 5yz spoiled, RSET 2yz ready"},
	{"chunks without a recipient", fsm.Sender, "RCPT 5yz sender, BDAT 5yz spoiled, BDAT-LAST 5yz spoiled, RSET 2yz ready"},
	{"the last chunk without a recipient", fsm.Sender, "BDAT-LAST 2yz spoiled, RSET 2yz ready"},
	{"chunks in LMTP", fsm.Recipients, "BDAT 2yz chunks, BDAT-LAST+ 2yz chunks, BDAT-LAST+ 5yz chunks, BDAT-LAST 2yz ready"},
	{"one chunk in LMTP", fsm.Recipients, "BDAT-LAST+ 5yz recipients, BDAT-LAST 2yz ready"},
	{"a refused chunk in LMTP", fsm.Chunks, "BDAT 4yz spoiled, BDAT-LAST+ 5yz spoiled, BDAT-LAST 5yz spoiled, RSET 2yz ready"},

	{"RSET everywhere it is needed", fsm.Chunks, "RSET 2yz ready, RSET 2yz ready, MAIL 2yz sender, RSET 2yz ready"},
	{"a refused RSET ends the session", fsm.Ready, "RSET 5yz failed"},
	{"a RSET refused in a transaction, too", fsm.Recipients, "RSET 4yz failed"},
	{"QUIT takes any answer", fsm.Ready, "QUIT 3yz closed"},
	{"QUIT behind the end of data", fsm.Content, "END-OF-DATA 2yz ready, QUIT gone closed"},
	{"the end of data is not answered", fsm.Content, "END-OF-DATA gone -, lost failed"},
	{"421 to anything", fsm.Content, "421 failed, QUIT 2yz -"},
}

func TestWalks(t *testing.T) {
	inputs, states := map[string]fsm.Input{}, map[string]fsm.State{}
	for _, i := range fsm.Inputs() {
		inputs[i.String()] = i
	}
	for _, s := range fsm.States() {
		states[s.String()] = s
	}
	for _, w := range walks {
		t.Run(w.name, func(t *testing.T) {
			m := machineIn(t, w.from)
			for _, step := range strings.Split(w.text, ", ") {
				cut := strings.LastIndexByte(step, ' ')
				input, ok := inputs[step[:cut]]
				if !ok {
					t.Fatalf("%q is no input", step[:cut])
				}
				before := m.State()
				got, err := m.Fire(input)
				if step[cut+1:] == "-" {
					if err == nil || got != before {
						t.Errorf("%v in %v leads to %v, want it illegal", input, before, got)
					}
					continue
				}
				if want, known := states[step[cut+1:]]; !known || err != nil || got != want {
					t.Fatalf("%s: from %v to %v, %v", step, before, got, err)
				}
			}
		})
	}
}

// What may be sent in which state, seen from the state: the other side of the table.
func TestWhatMayBeSent(t *testing.T) {
	for state, want := range map[fsm.State]string{
		fsm.Idle:           "",
		fsm.Connecting:     "",
		fsm.Greeting:       "CONNECT",
		fsm.Greeted:        "EHLO HELO LHLO QUIT",
		fsm.Legacy:         "HELO QUIT",
		fsm.Refused:        "QUIT",
		fsm.Handshake:      "",
		fsm.Authenticating: "AUTH-RESPONSE AUTH-CANCEL",
		fsm.Ready:          "STARTTLS AUTH MAIL SEND SOML SAML RSET NOOP VRFY EXPN HELP OTHER QUIT",
		fsm.Sender:         "RCPT RSET QUIT",
		fsm.Recipients:     "RCPT DATA BDAT BDAT-LAST+ BDAT-LAST RSET QUIT",
		fsm.Chunks:         "BDAT BDAT-LAST+ BDAT-LAST RSET QUIT",
		fsm.Content:        "END-OF-DATA+ END-OF-DATA",
		fsm.LoneDot:        "END-OF-DATA",
		fsm.Spoiled:        "RSET QUIT",
		fsm.Closed:         "",
		fsm.Failed:         "",
	} {
		var got []string
		for _, c := range fsm.Commands() {
			if fsm.May(state, c) {
				got = append(got, c.String())
			}
		}
		if s := strings.Join(got, " "); s != want {
			t.Errorf("%v: %s; want %s", state, s, want)
		}
	}
}

// Whatever is pipelined by the rules ([fsm.May] in the folded state, MayPrecede) and
// however it is answered with replies that the commands can get at all, each reply
// finds a row: a lawful server is never taken for one that breaks the protocol.
func TestEveryLawfulReplyInFlightHasARow(t *testing.T) {
	const depth = 5 // commands in flight
	lawful := map[fsm.Input]bool{}
	for _, e := range fsm.Edges() {
		lawful[e.Input] = true
	}
	type dialogue struct {
		state  fsm.State
		flight string // of commands, one octet each
	}
	seen := map[dialogue]bool{}
	var visit func(d dialogue)
	visit = func(d dialogue) {
		if seen[d] {
			return
		}
		seen[d] = true
		ahead := d.state
		for _, c := range []byte(d.flight) {
			ahead = fsm.Fold(ahead, fsm.Command(c))
		}
		for _, group := range sendable(ahead) {
			n := len(d.flight)
			if n+len(group) > depth || n > 0 && !fsm.Command(d.flight[n-1]).MayPrecede(fsm.Command(group[0])) {
				continue
			}
			visit(dialogue{d.state, d.flight + group})
		}
		if d.flight == "" {
			return
		}
		head := fsm.Command(d.flight[0])
		if head == fsm.BdatLastPart && (d.state == fsm.Ready || d.state == fsm.Sender) {
			// Without an accepted recipient there is one reply only (RFC 2033 §4.3).
			visit(dialogue{d.state, d.flight[1:]})
			return
		}
		for class := fsm.Positive; class < fsm.Gone; class++ {
			i := fsm.On(head, class)
			if !lawful[i] {
				continue
			}
			to, ok := fsm.Next(d.state, i)
			if !ok {
				t.Fatalf("%v in %v has no row; in flight %v", i, d.state, names(d.flight))
			}
			if !to.Over() {
				visit(dialogue{to, d.flight[1:]})
			}
		}
	}
	visit(dialogue{fsm.Greeting, string([]byte{byte(fsm.Connect)})})
	visit(dialogue{fsm.Greeted, ""})
	visit(dialogue{fsm.Ready, ""})
	t.Logf("%d situations", len(seen))
	if len(seen) < 1000 {
		t.Errorf("only %d situations were reached", len(seen))
	}
}

// sendable lists what may be sent by one who stands in s; in LMTP the end of the
// content has two replies.
func sendable(s fsm.State) []string {
	var all []string
	for _, c := range fsm.Commands() {
		switch {
		case !fsm.May(s, c) || c == fsm.Connect:
		case c == fsm.EndOfDataPart:
			all = append(all, string([]byte{byte(c), byte(fsm.EndOfData)}))
		case c == fsm.BdatLastPart:
			all = append(all, string([]byte{byte(c), byte(fsm.BdatLast)}))
		default:
			all = append(all, string([]byte{byte(c)}))
		}
	}
	return all
}

func names(flight string) []fsm.Command {
	var all []fsm.Command
	for _, c := range []byte(flight) {
		all = append(all, fsm.Command(c))
	}
	return all
}

// RFC 2920 §3.1 names the commands that end a group and those that never do.
func TestWhatMayStandBehindACommand(t *testing.T) {
	ends := []fsm.Command{fsm.Ehlo, fsm.Data, fsm.Vrfy, fsm.Expn, fsm.Noop, fsm.Quit, fsm.StartTLS, fsm.Auth}
	for _, c := range ends {
		if !c.EndsGroup() || c.MayPrecede(fsm.Rset) || c.MayPrecede(fsm.Mail) {
			t.Errorf("something may stand behind %v", c)
		}
	}
	for _, c := range []fsm.Command{fsm.Mail, fsm.Rcpt, fsm.Rset, fsm.Bdat, fsm.EndOfData} {
		if c.EndsGroup() || !c.MayPrecede(fsm.Mail) || !c.MayPrecede(fsm.Quit) {
			t.Errorf("nothing may stand behind %v", c)
		}
	}
	for next, want := range map[fsm.Command]bool{fsm.Rset: true, fsm.Quit: true, fsm.Mail: false, fsm.Noop: false, fsm.Bdat: false} {
		if got := fsm.BdatLast.MayPrecede(next); got != want {
			t.Errorf("%v behind BDAT LAST: %v, want %v", next, got, want)
		}
	}
}

func TestTwoRowsForOnePairPanic(t *testing.T) {
	row := fsm.Exchange{Command: fsm.Noop, In: []fsm.State{fsm.Ready}, On: [4]fsm.State{fsm.Stay, fsm.Fault, fsm.Stay, fsm.Stay}}
	jump := fsm.Jump{Signal: fsm.Lost, In: []fsm.State{fsm.Ready}, To: fsm.Failed}
	for name, rows := range map[string]struct {
		exchanges []fsm.Exchange
		jumps     []fsm.Jump
		want      string
	}{
		"exchanges":        {[]fsm.Exchange{row, row}, nil, "two rows for NOOP 2yz in state ready"},
		"jumps":            {nil, []fsm.Jump{jump, jump}, "two rows for lost in state ready"},
		"exchange, jump":   {[]fsm.Exchange{row}, []fsm.Jump{{Signal: fsm.On(fsm.Noop, fsm.Permanent), In: row.In, To: fsm.Failed}}, "two rows for NOOP 5yz"},
		"no clash at all":  {[]fsm.Exchange{row}, []fsm.Jump{jump}, ""},
		"the table itself": {fsm.Exchanges(), fsm.Jumps(), ""},
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				got := ""
				if r := recover(); r != nil {
					got = fmt.Sprint(r)
				}
				if (got == "") != (rows.want == "") || !strings.Contains(got, rows.want) {
					t.Errorf("panic %q, want %q", got, rows.want)
				}
			}()
			fsm.Compile(rows.exchanges, rows.jumps)
		})
	}
}

// Who changes what Exchanges and Jumps return does not change the table.
func TestTheTableIsNotHandedOut(t *testing.T) {
	fsm.Exchanges()[0].Command = fsm.Quit
	fsm.Jumps()[0].Signal = fsm.Abort
	if fsm.Exchanges()[0].Command != fsm.Connect || fsm.Jumps()[0].Signal != fsm.Dial {
		t.Error("the table was changed through its copy")
	}
}

func TestTraits(t *testing.T) {
	for _, c := range fsm.Commands() {
		if c.Patience() <= 0 || c.While() == "" || strings.HasPrefix(c.String(), "command(") {
			t.Errorf("%v has no traits", c)
		}
		if verb := c.Verb(); verb != "" && c != fsm.BdatLast && verb != c.String() {
			t.Errorf("%v is %q on the wire", c, verb)
		}
		opens := slices.Contains([]fsm.Command{fsm.Mail, fsm.Send, fsm.Soml, fsm.Saml}, c)
		if c.OpensTransaction() != opens {
			t.Errorf("%v opens a transaction: %v", c, !opens)
		}
		if ends := strings.HasPrefix(c.String(), "END-OF-DATA") || strings.HasPrefix(c.String(), "BDAT-LAST"); c.EndsContent() != ends {
			t.Errorf("%v ends content: %v", c, !ends)
		}
	}
}

func TestNamesOfWhatIsUnknown(t *testing.T) {
	for got, want := range map[string]string{
		fsm.State(200).String():   "state(200)",
		fsm.Command(200).String(): "command(200)",
		fsm.Class(9).String():     "class(9)",
		fsm.Input(250).String():   "input(250)",
		fsm.Phase(9).String():     "phase(9)",
		fsm.State(200).Note():     "",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if to, ok := fsm.Next(fsm.State(200), fsm.Dial); ok || to != fsm.State(200) {
		t.Errorf("an unknown state leads to %v", to)
	}
	if _, ok := fsm.Next(fsm.Ready, fsm.Input(250)); ok {
		t.Error("an unknown input is legal")
	}
	if fsm.May(fsm.State(200), fsm.Mail) || fsm.May(fsm.Ready, fsm.Command(40)) {
		t.Error("something unknown may be sent")
	}
	if _, err := (&fsm.Compiled{}).Fire(fsm.Up); err == nil || err.Error() != "fsm: up cannot happen in state idle" {
		t.Errorf("up in idle: %v", err)
	}
	if got := fsm.ClassOf(421); got != fsm.Transient {
		t.Errorf("421 is of class %v", got)
	}
}

// A table made of the rows of this package is the table of this package, and a machine
// on it is a Compiled.
func TestCompileStandard(t *testing.T) {
	table := fsm.Compile(fsm.Exchanges(), fsm.Jumps())
	for _, s := range fsm.States() {
		for _, i := range fsm.Inputs() {
			to, ok := table.Next(s, i)
			if want, legal := fsm.Next(s, i); to != want || ok != legal {
				t.Errorf("%v in %v leads to %v, %v; want %v, %v", i, s, to, ok, want, legal)
			}
		}
		for _, c := range fsm.Commands() {
			if table.May(s, c) != fsm.May(s, c) || table.Fold(s, c) != fsm.Fold(s, c) {
				t.Errorf("%v in %v: May or Fold differ", c, s)
			}
		}
	}
	m, want := table.Machine(), &fsm.Compiled{}
	for _, i := range []fsm.Input{fsm.Dial, fsm.Secured, fsm.Up, fsm.On(fsm.Connect, fsm.Positive), fsm.Lost} {
		a, err := m.Fire(i)
		b, wantErr := want.Fire(i)
		if a != b || m.State() != want.State() || (err == nil) != (wantErr == nil) {
			t.Errorf("%v: %v, %v; want %v, %v", i, a, err, b, wantErr)
		}
	}
}
