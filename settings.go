package parley

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/parley-mail/parley/auth"
)

// Setting is a row of the class that can be reached by its name: a property or a
// configuration setting. The table of them is the one place that knows their names,
// defaults and meanings; Config, the command's --set and the documentation come from it.
type Setting struct {
	Name     string
	Property bool   // it is a property of the class
	Config   bool   // it is a configuration setting of the class
	Type     string // "text", "number", "yes or no", "seconds", "milliseconds", "bits", "secret", "certificates"
	Default  string
	Allowed  string // what may be given, if the type does not say it
	Doc      string
	Ref      string // RFC or other source
	Frozen   bool   // it cannot change while connected
	ReadOnly bool

	get func(*SMTP) string
	set func(*SMTP, string) error
}

// What is wrong with a call of Config.
var (
	ErrUnknownSetting = errors.New("there is no such setting")
	ErrBadValue       = errors.New("this value is not allowed")
	ErrFrozen         = errors.New("it cannot change while connected")
	ErrReadOnly       = errors.New("it can only be read")
)

// SettingError says which setting was asked for and what is wrong; errors.Is finds
// ErrUnknownSetting, ErrBadValue, ErrFrozen or ErrReadOnly.
type SettingError struct {
	Name    string
	Allowed string // for ErrBadValue
	Err     error
}

// Error implements error. It does not repeat the value, which may be a secret.
func (e *SettingError) Error() string {
	s := "parley: setting " + strconv.QuoteToASCII(clipped(e.Name, 64)) + ": " + e.Err.Error()
	if e.Allowed != "" {
		s += ": " + e.Allowed
	}
	return s
}

// Unwrap returns the cause.
func (e *SettingError) Unwrap() error { return e.Err }

func clipped(s string, n int) string {
	if len(s) > n {
		return s[:n] + "…"
	}
	return s
}

// Settings returns the table, in the order of the documentation.
func Settings() []Setting { return slices.Clone(settings) }

// FindSetting returns the setting of that name; case does not matter.
func FindSetting(name string) (Setting, bool) {
	for i := range settings {
		if strings.EqualFold(settings[i].Name, name) {
			return settings[i], true
		}
	}
	return Setting{}, false
}

// Config sets a setting by "Name=Value", and returns nothing, or returns the value of
// "Name". Names are not case-sensitive; yes and no are True and False. Secrets are
// returned masked. Errors are *SettingError, and ErrBusy while a method runs.
func (s *SMTP) Config(text string) (string, error) {
	name, value, assign := strings.Cut(text, "=")
	row, ok := FindSetting(strings.TrimSpace(name))
	if !ok {
		return "", &SettingError{Name: name, Err: ErrUnknownSetting}
	}
	if !assign {
		return row.get(s), nil
	}
	s.state.mu.Lock()
	defer s.state.mu.Unlock()
	switch {
	case row.ReadOnly:
		return "", &SettingError{Name: row.Name, Err: ErrReadOnly}
	case s.state.busy:
		return "", ErrBusy
	case row.Frozen && s.state.connected.Load():
		return "", &SettingError{Name: row.Name, Err: ErrFrozen}
	}
	if err := row.set(s, value); err != nil {
		return "", &SettingError{Name: row.Name, Allowed: allowed(&row, err), Err: ErrBadValue}
	}
	return "", nil
}

func allowed(row *Setting, err error) string {
	switch {
	case row.Allowed != "":
		return "it is " + row.Allowed
	case err != nil && row.Type != "secret":
		return err.Error()
	}
	return "it is a " + row.Type
}

// The kinds of values. Each fills Type, get and set of a row.

func text(at func(*SMTP) *string) func(*Setting) {
	return func(r *Setting) {
		r.Type = "text"
		r.get = func(s *SMTP) string { return *at(s) }
		r.set = func(s *SMTP, v string) error {
			if strings.ContainsRune(v, 0) {
				return errors.New("a NUL is in it")
			}
			*at(s) = v
			return nil
		}
	}
}

func secret(at func(*SMTP) *auth.Secret) func(*Setting) {
	return func(r *Setting) {
		r.Type = "secret"
		r.get = func(s *SMTP) string {
			if at(s).IsZero() {
				return ""
			}
			return at(s).String()
		}
		r.set = func(s *SMTP, v string) error { *at(s) = auth.NewSecret(v); return nil }
	}
}

func flag(at func(*SMTP) *bool) func(*Setting) {
	return func(r *Setting) {
		r.Type, r.Allowed = "yes or no", "True or False"
		r.get = func(s *SMTP) string {
			if *at(s) {
				return "True"
			}
			return "False"
		}
		r.set = func(s *SMTP, v string) error {
			b, err := strconv.ParseBool(strings.ToLower(strings.TrimSpace(v)))
			if err == nil {
				*at(s) = b
			}
			return err
		}
	}
}

func number[T int | int64 | uint32](at func(*SMTP) *T, low, high int64) func(*Setting) {
	return func(r *Setting) {
		r.Type, r.Allowed = "number", fmt.Sprintf("a number from %d to %d", low, high)
		r.get = func(s *SMTP) string { return strconv.FormatInt(int64(*at(s)), 10) }
		r.set = func(s *SMTP, v string) error {
			n, err := strconv.ParseInt(strings.TrimSpace(v), 0, 64)
			if err == nil && (n < low || n > high) {
				err = errors.New("out of range")
			}
			if err == nil {
				*at(s) = T(n)
			}
			return err
		}
	}
}

func span(at func(*SMTP) *time.Duration, unit time.Duration) func(*Setting) {
	return func(r *Setting) {
		r.Type = map[time.Duration]string{time.Second: "seconds", time.Millisecond: "milliseconds"}[unit]
		r.Allowed = "a number of " + r.Type
		r.get = func(s *SMTP) string { return strconv.FormatInt(int64(*at(s)/unit), 10) }
		r.set = func(s *SMTP, v string) error {
			n, err := strconv.ParseInt(strings.TrimSpace(v), 10, 64)
			if err == nil && (n < 0 || n > 1<<31) {
				err = errors.New("out of range")
			}
			if err == nil {
				*at(s) = time.Duration(n) * unit
			}
			return err
		}
	}
}

// choices are numbers with names; both may be given. What has no number, which is one below
// zero, goes by its name.
func choices[T ~uint8](at func(*SMTP) *T, all ...choiceOf[T]) func(*Setting) {
	return func(r *Setting) {
		r.Type = "choice"
		var words []string
		for _, c := range all {
			if c.number < 0 {
				words = append(words, c.word)
				continue
			}
			words = append(words, fmt.Sprintf("%d %s", c.number, c.word))
		}
		r.Allowed = strings.Join(words, ", ")
		r.get = func(s *SMTP) string {
			for _, c := range all {
				if c.value != *at(s) {
					continue
				}
				if c.number < 0 {
					return c.word
				}
				return strconv.Itoa(c.number)
			}
			return ""
		}
		r.set = func(s *SMTP, v string) error {
			v = strings.TrimSpace(v)
			for _, c := range all {
				if c.number >= 0 && v == strconv.Itoa(c.number) || strings.EqualFold(v, c.word) {
					*at(s) = c.value
					return nil
				}
			}
			return errors.New("no such choice")
		}
	}
}

type choiceOf[T ~uint8] struct {
	value  T
	number int
	word   string
}

func readonly(get func(*SMTP) string) func(*Setting) {
	return func(r *Setting) {
		r.Type, r.ReadOnly, r.get = "text", true, get
	}
}
