package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/user"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	mail "github.com/parley-mail/parley/message"
)

// sendmailFlags are the command line that programs use to hand over mail: options of one
// letter, of which most say nothing to a client.
type sendmailFlags struct {
	sendFlags
	domain     string
	fromHeader bool   // -t
	dots       bool   // -i: a line with a dot ends nothing
	sender     string // -f
	hasSender  bool
	fullName   string // -F
	recipients []string
}

func newSendmail() *cobra.Command {
	f := &sendmailFlags{}
	cmd := &cobra.Command{
		Use:   "sendmail [OPTION]... [RECIPIENT]...",
		Short: "Take a message as programs hand it to sendmail, and send it by an account",
		Long: `Reads a message from standard input and sends it to the recipients, as cron, git send-email and
mutt expect of a program that is called sendmail; a link of that name to parley does so too.
The server is that of an account of the configuration file: --account NAME, or its default.
From, Date and Message-ID are added where they are missing. It is silent unless something is
wrong, and the exit codes are those of send.

  -t           recipients are also those of To, Cc and Bcc
  -i, -oi      a line with nothing but a dot does not end the message
  -f, -r PATH  the reverse-path; '<>' is the null path. Without it: --return-path or --from, which
               an account can have, then the Sender or From field, then the user's name
  -F NAME      the name in a From field that is added
  -N WORDS     never, or success, failure, delay: which notices are wanted (RFC 3461)
  -R full|hdrs how much of the message they return
  -V ID        the envelope's id in them
  -v           show the dialogue

Other options that sendmail has for the sending of mail are let pass: -B, -G, -m, -n, -o, -O, -U, -bm.`,
		Example: `  parley sendmail -t -i < message.eml
  parley sendmail --account work -f alice@x.example -- bob@y.example < message.eml
  git config sendemail.sendmailCmd 'parley sendmail --account work'`,
		DisableFlagParsing: true,
	}
	f.serverFlags.add(cmd)
	f.messageFlags.add(cmd)
	cmd.Flags().StringVar(&f.domain, "domain", "", "the domain of recipients named without one, and of a sender, who has the name of this machine otherwise")
	for _, name := range slices.Concat(composing, []string{"importance", "priority", "sensitivity", "reply-to"}) {
		_ = cmd.Flags().MarkHidden(name) // an account may have them, and this composes nothing
	}
	cmd.PreRunE = nil // not before the options are read
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if slices.Contains(args, "--help") {
			return cmd.Help()
		}
		if err := f.parse(cmd, args); err != nil {
			return err
		}
		if err := f.configure(cmd); err != nil {
			return err
		}
		if f.composed(cmd.Flags().Changed) {
			return usage("sendmail reads a whole message and composes none: that is for parley send")
		}
		return f.hand(cmd)
	}
	return cmd
}

// parse reads sendmail's options. A letter has its value in the same word or in the next;
// words that begin with two hyphens are flags as other commands have them.
func (f *sendmailFlags) parse(cmd *cobra.Command, args []string) error {
	var flags []string
	for len(args) > 0 {
		word := args[0]
		args = args[1:]
		switch {
		case word == "--":
			f.recipients = append(f.recipients, args...)
			args = nil
		case strings.HasPrefix(word, "--"):
			flags = append(flags, word)
			name, _, valued := strings.Cut(word[2:], "=")
			if flag := cmd.Flags().Lookup(name); !valued && flag != nil && flag.NoOptDefVal == "" && len(args) > 0 {
				flags, args = append(flags, args[0]), args[1:]
			}
		case len(word) < 2 || word[0] != '-':
			f.recipients = append(f.recipients, word)
		default:
			meant, rest, err := f.letters(word[1:], args)
			if err != nil {
				return err
			}
			flags, args = append(flags, meant...), rest
		}
	}
	if err := cmd.Flags().Parse(flags); err != nil {
		return usage("sendmail: %v (see \"parley sendmail --help\")", err)
	}
	return nil
}

// letters reads a word of options, and returns the flags that mean the same and what follows it.
func (f *sendmailFlags) letters(word string, args []string) (flags, rest []string, err error) {
	for word != "" {
		letter := word[:1]
		word = word[1:]
		if strings.Contains("GimntUv", letter) {
			f.fromHeader = f.fromHeader || letter == "t"
			f.dots = f.dots || letter == "i"
			if letter == "v" {
				flags = append(flags, "--trace")
			}
			continue
		}
		if !strings.Contains("BFNORVbfor", letter) {
			return nil, nil, usage("sendmail: no option -%s (see \"parley sendmail --help\")", letter)
		}
		value := word
		word = ""
		if value == "" && !strings.Contains("bo", letter) { // of these it is in the same word
			if len(args) == 0 {
				return nil, nil, usage("sendmail: -%s needs a value", letter)
			}
			value, args = args[0], args[1:]
		}
		switch letter {
		case "f", "r":
			f.sender, f.hasSender = value, true
		case "F":
			f.fullName = value
		case "N":
			flags = append(flags, "--notify="+value)
		case "R":
			flags = append(flags, "--ret="+strings.ToLower(value))
		case "V":
			flags = append(flags, "--envid="+value)
		case "o":
			f.dots = f.dots || value == "i"
		case "b":
			if value != "m" {
				return nil, nil, usage("sendmail: -b%s is a server's affair; parley sends (-bm)", value)
			}
		}
	}
	return flags, args, nil
}

// hand sends what is read.
func (f *sendmailFlags) hand(cmd *cobra.Command) error {
	in := bufio.NewReaderSize(cmd.InOrStdin(), 64<<10)
	var text io.Reader = in
	if !f.dots {
		text = &upToDot{in: in}
	}
	lines := bufio.NewReaderSize(text, 64<<10)
	head, err := readHead(lines)
	if err != nil {
		return err
	}
	fields, err := mail.ParseFields(string(head))
	if err != nil {
		return err
	}
	added, err := f.missing(cmd, fields)
	if err != nil {
		return err
	}
	if err := f.envelope(cmd, slices.Concat(added, fields)); err != nil {
		return err
	}
	var before bytes.Buffer
	for _, field := range added {
		fmt.Fprintf(&before, "%s\r\n", field)
	}
	before.Write(head)
	before.WriteString("\r\n") // the empty line, which readHead leaves out
	cmd.SetIn(io.MultiReader(&before, lines))
	f.progress, f.verb = "never", "mail"
	if f.asJSON {
		return f.run(cmd, nil)
	}
	var said bytes.Buffer // what became of each recipient, if that is not what was hoped for
	cmd.SetOut(&said)
	err = f.run(cmd, nil)
	if err != nil {
		cmd.ErrOrStderr().Write(said.Bytes())
	}
	return err
}

// missing are the fields that a message must have and this one has not.
func (f *sendmailFlags) missing(cmd *cobra.Command, fields []mail.HeaderField) (added []mail.HeaderField, err error) {
	path := f.reversePath(cmd)
	if path == "" || path == "<>" {
		path = f.login()
	}
	author, err := mail.ParseAddress(path)
	if err != nil {
		return nil, fmt.Errorf("sender: %w", err)
	}
	author.Name = cmp(f.fullName, author.Name)
	composed, err := (&mail.Message{From: []mail.Address{author}, Charset: "UTF-8", AllowEmptyTo: true}).Headers()
	if err != nil {
		return nil, err
	}
	for _, field := range composed {
		is := func(other mail.HeaderField) bool { return strings.EqualFold(field.Name, other.Name) }
		if slices.Contains([]string{"From", "Date", "Message-ID"}, field.Name) && !slices.ContainsFunc(fields, is) {
			added = append(added, field)
		}
	}
	return added, nil
}

// reversePath is the one that was asked for; "" if none was.
func (f *sendmailFlags) reversePath(cmd *cobra.Command) string {
	switch {
	case f.hasSender:
		return f.qualified(cmp(f.sender, "<>"))
	case f.returnPath != "":
		return f.returnPath
	case cmd.Flags().Changed("from"):
		return cmp(f.from, "<>")
	}
	return ""
}

// envelope sets the flags of send that say who sends and who receives. What the command line says
// stands in the place of what the header says, which then need not even be addresses.
func (f *sendmailFlags) envelope(cmd *cobra.Command, fields []mail.HeaderField) error {
	if len(f.recipients) == 0 && !f.fromHeader {
		return usage("sendmail: no recipient is given: name them, or use -t")
	}
	sender := f.reversePath(cmd)
	named := &mail.Message{AllowEmptyTo: true}
	if f.fromHeader {
		var err error
		if named, err = mail.AddressesOf(without(fields, "from", "sender"), f.domain); err != nil {
			return err
		}
	}
	if sender == "" {
		authors, err := mail.AddressesOf(without(fields, "to", "cc", "bcc"), f.home())
		if err != nil {
			return err
		}
		named.From, named.Sender = authors.From, authors.Sender
	}
	for _, r := range f.recipients {
		list, err := mail.ParseAddressList(f.qualified(r))
		if err != nil {
			return fmt.Errorf("recipient: %w", err)
		}
		named.Bcc = append(named.Bcc, list...)
	}
	switch sender {
	case "":
	case "<>":
		named.ReturnPath = new(mail.Path)
	default:
		author, err := mail.ParseAddress(sender)
		if err != nil {
			return fmt.Errorf("sender: %w", err)
		}
		named.ReturnPath = &author.Path
	}
	envelope, err := named.Envelope()
	if err != nil {
		return err
	}
	for _, r := range envelope.Recipients {
		f.to = append(f.to, r.Path.String())
	}
	f.returnPath = ""
	return cmd.Flags().Set("from", envelope.ReversePath.String())
}

// without returns the fields but for those of the names, sent again or not.
func without(fields []mail.HeaderField, names ...string) []mail.HeaderField {
	return slices.DeleteFunc(slices.Clone(fields), func(field mail.HeaderField) bool {
		return slices.Contains(names, strings.TrimPrefix(strings.ToLower(field.Name), "resent-"))
	})
}

// login is who runs this.
func (f *sendmailFlags) login() string {
	name := "nobody"
	if u, err := user.Current(); err == nil {
		name = u.Username[strings.LastIndexByte(u.Username, '\\')+1:]
	}
	if home := f.home(); home != "" {
		return name + "@" + home
	}
	return name
}

// home is the domain of a sender who is named without one; "" if this machine has no name.
func (f *sendmailFlags) home() string {
	if f.domain != "" {
		return f.domain
	}
	host, err := os.Hostname()
	if err != nil {
		return ""
	}
	return host
}

// qualified is an address with a domain, if there is one to add.
func (f *sendmailFlags) qualified(address string) string {
	if f.domain == "" || strings.ContainsAny(address, "@<>,") {
		return address
	}
	return address + "@" + f.domain
}

// maxHead is how long the header of a message may be.
const maxHead = 1 << 20

// readHead reads the header, and the empty line behind it, which is not in head. A line that
// begins no field ends it too: it is the first of the text.
func readHead(in *bufio.Reader) (head []byte, err error) {
	if first, err := in.Peek(5); err == nil && string(first) == "From " { // of a mailbox, not of the message
		if err := readLine(in, nil); err != nil {
			return nil, err
		}
	}
	for {
		next, err := in.Peek(1)
		if errors.Is(err, io.EOF) {
			return head, nil
		}
		if err != nil {
			return nil, err
		}
		if next[0] == '\r' || next[0] == '\n' {
			return head, readLine(in, nil)
		}
		folded := (next[0] == ' ' || next[0] == '\t') && len(head) > 0
		if !folded && !beginsField(in) {
			return head, nil
		}
		if err := readLine(in, &head); err != nil {
			return nil, err
		}
		if head[len(head)-1] != '\n' {
			head = append(head, '\n')
		}
	}
}

// readLine reads a line and appends it to what there is room for.
func readLine(in *bufio.Reader, to *[]byte) error {
	for {
		piece, err := in.ReadSlice('\n')
		if to != nil {
			*to = append(*to, piece...)
			if len(*to) > maxHead {
				return &mail.HeaderError{Offset: -1, Rule: fmt.Sprintf("the header is longer than %d octets", maxHead)}
			}
		}
		if err == nil || errors.Is(err, io.EOF) {
			return nil
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return err
		}
	}
}

// beginsField reports whether a header field is next: a name (RFC 5322 §2.2) and a colon.
func beginsField(in *bufio.Reader) bool {
	for n := 1; ; n++ {
		b, err := in.Peek(n)
		if err != nil {
			return false
		}
		switch c := b[n-1]; {
		case c == ':':
			return n > 1
		case c <= ' ' || c > '~':
			return false
		}
	}
}

// upToDot ends at a line with nothing but a dot.
type upToDot struct {
	in     *bufio.Reader
	rest   []byte
	middle bool // of a line
	err    error
}

func (u *upToDot) Read(p []byte) (int, error) {
	for len(u.rest) == 0 {
		if u.err != nil {
			return 0, u.err
		}
		line, err := u.in.ReadSlice('\n')
		start := !u.middle
		u.middle = errors.Is(err, bufio.ErrBufferFull)
		if err != nil && !u.middle {
			u.err = err
		}
		if start && (string(line) == ".\n" || string(line) == ".\r\n" || string(line) == "." && u.err != nil) {
			u.err = io.EOF
			return 0, io.EOF
		}
		u.rest = line
	}
	n := copy(p, u.rest)
	u.rest = u.rest[n:]
	return n, nil
}
