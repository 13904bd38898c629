//go:build deps

package parley

import (
	_ "github.com/Azure/go-ntlmssp"
	_ "github.com/google/go-cmp/cmp"
	_ "github.com/icholy/digest"
	_ "github.com/looplab/fsm"
	_ "github.com/pelletier/go-toml/v2"
	_ "github.com/refraction-networking/utls"
	_ "github.com/rogpeppe/go-internal/testscript"
	_ "github.com/rogpeppe/go-internal/txtar"
	_ "github.com/spf13/cobra"
	_ "github.com/xdg-go/scram"
	_ "github.com/xdg-go/stringprep"
	_ "go.uber.org/goleak"
	_ "golang.org/x/crypto/hkdf"
	_ "golang.org/x/crypto/pkcs12"
	_ "golang.org/x/net/http/httpproxy"
	_ "golang.org/x/net/idna"
	_ "golang.org/x/net/proxy"
	_ "golang.org/x/sys/unix"
	_ "golang.org/x/term"
	_ "golang.org/x/text/encoding/ianaindex"
	_ "pgregory.net/rapid"
)
