package message

import (
	"strings"
)

// Address lists as they stand in header fields (RFC 5322 §3.4): what they are, and
// how they are written. Reading them is the business of addressparser.go.

// Entry is one element of an address list: an [Address] or a [Group].
type Entry interface {
	// String returns the entry as it stands in a header field, unfolded and with
	// text beyond ASCII as it is.
	String() string

	addresses() []Address
}

// Address is a mailbox with the name shown for it (RFC 5322 §3.4).
type Address struct {
	Name string // display name, decoded; may be empty
	Path Path
}

// Group is a named list of mailboxes; it may be empty, as in
// "undisclosed-recipients:;" (RFC 5322 §3.4).
type Group struct {
	Name    string // display name, decoded; not empty
	Members []Address
}

// AddressList is the value of a header field such as To (RFC 5322 §3.6.3).
type AddressList []Entry

// Addresses is an address list of mailboxes without groups.
func Addresses(list ...Address) AddressList {
	entries := make(AddressList, len(list))
	for i, a := range list {
		entries[i] = a
	}
	return entries
}

// MustParseAddressList is ParseAddressList for texts known to be good; it panics
// otherwise.
func MustParseAddressList(s string) AddressList {
	l, err := ParseAddressList(s)
	if err != nil {
		panic(err)
	}
	return l
}

// IsZero reports whether there is neither a name nor a path.
func (a Address) IsZero() bool { return a == Address{} }

// String returns the address as it stands in a header field: "a@b.example" or
// `"Name, with comma" <a@b.example>`.
func (a Address) String() string {
	if a.Name == "" && !a.Path.IsNull() {
		return a.Path.text
	}
	return strings.TrimLeft(writePhrase(a.Name)+" <"+a.Path.text+">", " ")
}

func (a Address) addresses() []Address { return []Address{a} }

// String returns the group as it stands in a header field: "Name: a@b, c@d;".
func (g Group) String() string {
	return writePhrase(g.Name) + ": " + Addresses(g.Members...).String() + ";"
}

func (g Group) addresses() []Address { return g.Members }

// String returns the list as it stands in a header field.
func (l AddressList) String() string {
	var b strings.Builder
	for i, e := range l {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(e.String())
	}
	return b.String()
}

// Addresses returns the mailboxes of the list in order, those in groups included.
func (l AddressList) Addresses() []Address {
	flat := make([]Address, 0, len(l))
	for _, e := range l {
		flat = append(flat, e.addresses()...)
	}
	return flat
}

// Paths returns the paths of the list's mailboxes in order.
func (l AddressList) Paths() []Path {
	paths := make([]Path, 0, len(l))
	for _, e := range l {
		for _, a := range e.addresses() {
			paths = append(paths, a.Path)
		}
	}
	return paths
}

// check refuses entries that are neither an Address nor a Group: nil, and pointers.
func (l AddressList) check(name string) error {
	for _, e := range l {
		switch e.(type) {
		case Address, Group:
		default:
			return &HeaderError{Field: name, Offset: -1, Rule: "an entry that is neither an Address nor a Group (RFC 5322 §3.4)"}
		}
	}
	return nil
}

// writePhrase writes a display name as atoms where that is possible, and as a
// quoted string otherwise (RFC 5322 §3.2.5).
func writePhrase(name string) string {
	if isPhrase(name) {
		return name
	}
	var b strings.Builder
	b.WriteByte('"')
	for i := 0; i < len(name); i++ {
		if name[i] == '"' || name[i] == '\\' {
			b.WriteByte('\\')
		}
		b.WriteByte(name[i])
	}
	b.WriteByte('"')
	return b.String()
}

// isPhrase reports whether name is atoms with single spaces between them, and
// would not be taken for encoded-words.
func isPhrase(name string) bool {
	if strings.Contains(name, "=?") {
		return false
	}
	space := true // no space may follow
	for i := 0; i < len(name); i++ {
		switch {
		case name[i] == ' ':
			if space {
				return false
			}
			space = true
		case isAtext(name[i]):
			space = false
		default:
			return false
		}
	}
	return !space || name == ""
}

// isAtext reports whether c may stand in an atom (RFC 5322 §3.2.3, RFC 6532 §3.2).
func isAtext(c byte) bool {
	return isLetDig(c) || c >= 0x80 || c != 0 && strings.IndexByte("!#$%&'*+-/=?^_`{|}~", c) >= 0
}
