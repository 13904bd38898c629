package proxy

import (
	"context"
	"net"
	"net/url"
	"os"
	"strings"

	"golang.org/x/net/http/httpproxy"
)

// FromEnvironment returns the proxy that the environment names for address
// ("host:port"), or nil for a direct connection. It reads the variables at each
// call: HTTPS_PROXY, else ALL_PROXY, unless NO_PROXY, localhost or a loopback
// address asks for none; the lower-case name of each goes first. HTTP_PROXY is not
// read: in a CGI program a client sets it.
//
// NO_PROXY is read as by net/http: a name stands for itself and all names below it.
// A value that cannot be used is an error, never a direct connection; one without
// a scheme is an http proxy. Settings of desktops, the Windows registry and PAC
// files are not read.
func FromEnvironment(address string) (Stage, error) {
	value := cmpEnv("https_proxy", "all_proxy")
	if value == "" {
		return nil, nil
	}
	rules := httpproxy.Config{HTTPSProxy: "http://proxy.invalid", NoProxy: cmpEnv("no_proxy")}
	target, err := splitTarget(address)
	if err != nil {
		return nil, &Error{Target: address, Op: OpCheck, Reason: ReasonArgument, Err: err}
	}
	if u, err := rules.ProxyFunc()(&url.URL{Scheme: "https", Host: target.String()}); err == nil && u == nil {
		return nil, nil
	}
	if !strings.Contains(value, "://") {
		value = "http://" + value
	}
	return Parse(value)
}

// Environment returns a Dialer that asks [FromEnvironment] at each dial and goes
// through what it names. A nil base is a plain net.Dialer.
func Environment(base Dialer) Dialer { return environment{Chain(base)} }

type environment struct{ base Dialer }

// DialContext implements Dialer.
func (e environment) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	stage, err := FromEnvironment(address)
	if err != nil {
		return nil, err
	}
	if stage == nil {
		return e.base.DialContext(ctx, network, address)
	}
	return Chain(e.base, stage).DialContext(ctx, network, address)
}

// cmpEnv returns the first variable that is set, each in lower case, then upper.
func cmpEnv(names ...string) string {
	for _, name := range names {
		for _, n := range [...]string{name, strings.ToUpper(name)} {
			if v := os.Getenv(n); v != "" {
				return v
			}
		}
	}
	return ""
}
