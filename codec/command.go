package codec

// ArgumentError says that an argument cannot be put into a command.
type ArgumentError struct {
	What   string // the argument: "reverse-path", "ENVID", ...
	Found  string // what is wrong with it: "CR", "301 octets", ...
	Offset int    // of the first wrong octet; -1: the whole
	Rule   string // what the rule says
	RFC    string // where it says so: "RFC 5321 §4.1.2"
}

// Error returns one printable line. It does not show the argument.
func (e *ArgumentError) Error() string { return "codec: " + e.What }

func AppendEhlo(dst []byte, name string) ([]byte, error) { return dst, nil }
func AppendHelo(dst []byte, name string) ([]byte, error) { return dst, nil }
func AppendLhlo(dst []byte, name string) ([]byte, error) { return dst, nil }

// AppendMail appends a command of the MAIL family; path is what stands between < and >.
func AppendMail(dst []byte, verb, path string, p *MailParams) ([]byte, error) { return dst, nil }

// AppendRcpt appends RCPT; path is what stands between < and >.
func AppendRcpt(dst []byte, path string, p *RcptParams) ([]byte, error) { return dst, nil }

func AppendBdat(dst []byte, n int64, last bool) []byte { return dst }

func AppendAuth(dst []byte, mech string, initial []byte, hasInitial bool) ([]byte, error) {
	return dst, nil
}
func AppendAuthResponse(dst, response []byte) []byte               { return dst }
func AppendAuthCancel(dst []byte) []byte                           { return dst }
func AppendVrfy(dst []byte, arg string, utf8 bool) ([]byte, error) { return dst, nil }
func AppendExpn(dst []byte, arg string, utf8 bool) ([]byte, error) { return dst, nil }
func AppendHelp(dst []byte, arg string, utf8 bool) ([]byte, error) { return dst, nil }
func AppendNoop(dst []byte, arg string, utf8 bool) ([]byte, error) { return dst, nil }
func AppendLine(dst []byte, line string) ([]byte, error)           { return dst, nil }
func AppendXtext(dst []byte, s string) []byte                      { return dst }
func DecodeXtext(s string) (string, error)                         { return s, nil }
func DecodeChallenge(dst, text []byte) ([]byte, error)             { return dst, nil }
