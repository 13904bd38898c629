package auth

import (
	"strings"
	"unicode/utf8"

	"github.com/xdg-go/stringprep"
)

// external is EXTERNAL (RFC 4422 appendix A): something outside, the client's
// certificate as a rule, has already proved who the client is. The response is
// the identity to act as, or empty for the one that was proved.
type external struct {
	creds  *Credentials
	policy *Policy
}

func newExternal(c *Credentials, p *Policy) exchange { return &external{creds: c, policy: p} }

func (m *external) start(*Link) ([]byte, error) {
	authzID, err := m.creds.authz(m.policy)
	if err != nil {
		return nil, err
	}
	return []byte(authzID), nil
}

func (m *external) next([]byte) ([]byte, error) { return nil, broken(RuleUnexpectedChallenge, "") }

func (m *external) success() error { return nil }

// maxTrace is the length of ANONYMOUS's text in characters (RFC 4505 §2).
const maxTrace = 255

// traceProfile is the "trace" profile of stringprep (RFC 4505 §3).
var traceProfile = stringprep.Profile{
	Prohibits: []stringprep.Set{
		stringprep.TableC2_1, stringprep.TableC2_2, stringprep.TableC3, stringprep.TableC4,
		stringprep.TableC5, stringprep.TableC6, stringprep.TableC8, stringprep.TableC9,
	},
	CheckBiDi: true,
}

// anonymous is ANONYMOUS (RFC 4505): the response is a text for the server's
// log, an email address or a word without "@", or nothing.
type anonymous struct {
	creds *Credentials
}

func newAnonymous(c *Credentials, _ *Policy) exchange { return &anonymous{creds: c} }

func (m *anonymous) start(*Link) ([]byte, error) {
	trace := m.creds.Trace
	switch at := strings.LastIndexByte(trace, '@'); {
	case len(trace) > maxTrace*utf8.UTFMax || utf8.RuneCountInString(trace) > maxTrace:
		return nil, broken(RuleLongCredential, "trace over 255 characters")
	case !utf8.ValidString(trace):
		return nil, broken(RuleBadCredential, "trace is not UTF-8")
	case at == 0 || at >= 0 && at == len(trace)-1:
		return nil, broken(RuleBadCredential, `trace with "@" is no address`)
	}
	if _, err := traceProfile.Prepare(trace); err != nil {
		return nil, broken(RuleBadCredential, "trace holds a character that RFC 4505 §3 prohibits")
	}
	return []byte(trace), nil
}

func (m *anonymous) next([]byte) ([]byte, error) { return nil, broken(RuleUnexpectedChallenge, "") }

func (m *anonymous) success() error { return nil }
