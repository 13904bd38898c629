package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/spf13/cobra"
)

// account is a table of the configuration file: values of flags, by their names.
type account map[string]any

// accounts are what the configuration file has.
type accounts struct {
	file    string
	named   map[string]account
	without string // the account of who names none; "": none
}

// configError is a fault of the configuration file.
type configError struct{ text string }

func (e *configError) Error() string { return e.text }

func misconfigured(format string, args ...any) error {
	return &configError{fmt.Sprintf(format, args...)}
}

// configFile is where the accounts are.
func configFile() (string, error) {
	dir := os.Getenv("XDG_CONFIG_HOME")
	if dir == "" {
		var err error
		if dir, err = os.UserConfigDir(); err != nil {
			return "", err
		}
	}
	return filepath.Join(dir, "parley", "config.toml"), nil
}

// maxConfig is more than anybody writes.
const maxConfig = 1 << 20

// readAccounts reads the configuration file. That there is none is no error.
func readAccounts() (*accounts, error) {
	name, err := configFile()
	if err != nil {
		return nil, err
	}
	a := &accounts{file: name, named: map[string]account{}}
	f, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return a, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(f, maxConfig+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxConfig {
		return nil, misconfigured("%s: longer than %d octets", name, maxConfig)
	}
	if err := a.parse(text); err != nil {
		return nil, err
	}
	if secret := a.secret(); secret != "" && runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
		return nil, misconfigured("%s: %s holds a password, and others may read the file (mode %04o): chmod 600 it, or use password-file", name, secret, info.Mode().Perm())
	}
	return a, nil
}

func (a *accounts) parse(text []byte) error {
	var tables map[string]any
	if err := toml.Unmarshal(text, &tables); err != nil {
		var at *toml.DecodeError
		if errors.As(err, &at) {
			row, column := at.Position()
			return misconfigured("%s:%d:%d: %v", a.file, row, column, err)
		}
		return misconfigured("%s: %v", a.file, err)
	}
	for _, name := range slices.Sorted(maps.Keys(tables)) {
		switch v := tables[name].(type) {
		case map[string]any:
			a.named[name] = v
		case string:
			if name != "default" {
				return misconfigured("%s: %s stands in no account: write [NAME] above it", a.file, name)
			}
			a.without = v
		default:
			return misconfigured("%s: %s is no account and no name of one", a.file, name)
		}
	}
	if _, ok := a.named[a.without]; !ok && a.without != "" {
		return misconfigured("%s: the default %q is no account; there are %s", a.file, a.without, a.names())
	}
	return nil
}

func (a *accounts) names() string {
	if len(a.named) == 0 {
		return "none"
	}
	return strings.Join(slices.Sorted(maps.Keys(a.named)), ", ")
}

// secret is an account that holds a password; "": none does.
func (a *accounts) secret() string {
	for _, name := range slices.Sorted(maps.Keys(a.named)) {
		if _, ok := a.named[name]["password"]; ok {
			return name
		}
		for _, key := range []string{"server", "proxy"} {
			for _, raw := range values(a.named[name][key]) {
				if u, err := url.Parse(raw); err == nil && u.User != nil {
					if _, ok := u.User.Password(); ok {
						return name
					}
				}
			}
		}
	}
	return ""
}

// values are those of a setting, in the words of the command line. What is no such value
// has none.
func values(v any) []string {
	switch v := v.(type) {
	case string:
		return []string{v}
	case bool, int64, float64:
		return []string{fmt.Sprint(v)}
	case []any:
		var all []string
		for _, one := range v {
			if _, nested := one.([]any); nested || values(one) == nil {
				return nil
			}
			all = append(all, values(one)...)
		}
		return all
	}
	return nil
}

// configure takes from the account what the command line leaves open. Who names a server and
// no account has none; who names neither has the default one.
func (f *serverFlags) configure(cmd *cobra.Command) error {
	if f.account == "" && f.server != "" {
		return nil
	}
	all, err := readAccounts()
	if err != nil {
		return err
	}
	name := f.account
	if name == "" {
		name = all.without
	}
	if name == "" {
		return nil
	}
	chosen, ok := all.named[name]
	if !ok {
		return usage("no account %q in %s; there are %s", name, all.file, all.names())
	}
	for _, key := range slices.Sorted(maps.Keys(chosen)) {
		flag := cmd.Flags().Lookup(key)
		switch {
		case key == "account" || flag == nil && !known(cmd.Root(), key):
			return misconfigured("%s: %s: no flag --%s", all.file, name, key)
		case flag == nil || flag.Changed: // of another command, or said on the command line
			continue
		}
		list := values(chosen[key])
		if list == nil {
			return misconfigured("%s: %s: %s has no text, number or list of them", all.file, name, key)
		}
		for _, v := range list {
			if err := cmd.Flags().Set(key, v); err != nil {
				return misconfigured("%s: %s: %s: %v", all.file, name, key, err)
			}
		}
	}
	return nil
}

// known reports whether any command has a flag.
func known(root *cobra.Command, name string) bool {
	return root.Flags().Lookup(name) != nil || slices.ContainsFunc(root.Commands(), func(c *cobra.Command) bool { return known(c, name) })
}
