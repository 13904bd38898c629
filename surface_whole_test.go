package parley_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/parley-mail/parley"
)

// The names of the class, typed in here once more: the list that Surface is held against.
var wanted = map[string]string{
	"property": `AllowExtensions AuthMechanism BCc Cc Command Connected DeliveryNotificationTo Firewall From Idle Importance LastReply
		LocalHost MailPort MailServer Message MessageDate MessageHeaders MessageHeadersString MessageId MessageRecipients MessageText
		OtherHeaders Password Priority ReadReceiptTo ReplyTo ReturnPath SendTo Sensitivity SSLAcceptServerCert SSLCert SSLEnabled
		SSLServerCert SSLStartMode Subject Timeout User`,
	"method": `Config Connect Disconnect DoEvents Expand Interrupt ProcessQueue Queue Reset ResetHeaders Send SendToTerminalAndEmail
		SendToTerminalOnly SendToTerminalOrEmail Verify`,
	"event": `ConnectionStatus EndTransfer Error Expand PITrail SSLServerAuthentication SSLStatus StartTransfer Transfer`,
	"setting": `AbsoluteTimeout AllowEmptyTo AuthorizationIdentity BuildInfo Charset CodePage ConnectionTimeout FirewallAutoDetect
		FirewallData FirewallHost FirewallPassword FirewallPort FirewallType FirewallUser Hello InBufferSize KeepAliveInterval
		KeepAliveTime KeepQueue LicenseInfo Linger LingerTime LocalHost LocalPort LogSSLPackets MaxHeaderLength MaxLineLength
		MaxTransferRate MessageHeadersString MessageIdAlgorithm OpenSSLCADir OpenSSLCAFile OpenSSLCipherList OpenSSLPrngSeedData
		OtherHeaders OutBufferSize ProxyExceptionsList ReturnPath ReuseSSLSession SendRSET SSLAcceptAnyServerCert SSLCACerts
		SSLCipherStrength SSLEnabledCipherSuites SSLEnabledProtocols SSLEnableRenegotiation SSLIncludeCertChain SSLNegotiatedCipher
		SSLNegotiatedCipherStrength SSLNegotiatedCipherSuite SSLNegotiatedKeyExchange SSLNegotiatedKeyExchangeStrength
		SSLNegotiatedVersion SSLProvider SSLSecurityFlags SSLServerCACerts StopOnBccErrors StopOnCcErrors StopOnToErrors TCPKeepAlive
		TcpNoDelay TLS12SignatureAlgorithms TLS12SupportedGroups TLS13KeyShareGroups TLS13SignatureAlgorithms TLS13SupportedGroups
		TransferText UseInternalSecurityAPI UseIPv6`,
}

// The list has exactly the names of the class, each with a symbol that exists, a test
// that exists, and a note where something is limited.
func TestSurfaceIsWhole(t *testing.T) {
	got := map[string][]string{}
	tests, functions := rows(t), testFunctions(t)
	refused := 0
	for _, r := range parley.Surface() {
		id := r.Kind.String() + "/" + r.Name
		got[r.Kind.String()] = append(got[r.Kind.String()], r.Name)
		if !symbolExists(r.Symbol) {
			t.Errorf("%s: there is no symbol %s", id, r.Symbol)
		}
		if r.Status != parley.Works && r.Note == "" {
			t.Errorf("%s: %v without a note", id, r.Status)
		}
		if r.Status == parley.NotOffered {
			refused++
		}
		function, sub, _ := strings.Cut(r.Test, "/")
		if !functions[function] || function == "TestSurface" && tests[sub] == nil {
			t.Errorf("%s: there is no test %s", id, r.Test)
		}
		delete(tests, id)
	}
	if refused > 3 {
		t.Errorf("%d rows are refused", refused)
	}
	for id := range maps.Keys(tests) {
		t.Errorf("%s is tested and is no row", id)
	}
	want := map[string][]string{}
	for kind, names := range wanted {
		want[kind] = strings.Fields(names)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
	for kind, n := range map[string]int{"property": 38, "method": 15, "event": 9, "setting": 69} {
		if len(got[kind]) != n {
			t.Errorf("%d rows of kind %s, want %d", len(got[kind]), kind, n)
		}
	}
}

// symbolExists looks for Type.Name among the fields and methods.
func symbolExists(symbol string) bool {
	if functions := map[string]func() string{"BuildInfo": parley.BuildInfo, "LicenseInfo": parley.LicenseInfo}; functions[symbol] != nil {
		return true
	}
	typ, name, _ := strings.Cut(symbol, ".")
	t := map[string]reflect.Type{
		"SMTP": reflect.TypeFor[parley.SMTP](), "SSL": reflect.TypeFor[parley.SSL](), "Firewall": reflect.TypeFor[parley.Firewall](),
	}[typ]
	if t == nil {
		return false
	}
	if _, ok := t.FieldByName(name); ok {
		return true
	}
	_, ok := reflect.PointerTo(t).MethodByName(name)
	return ok
}

// testFunctions are the names of the tests of this package.
func testFunctions(t *testing.T) map[string]bool {
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, decl := range file.Decls {
			if f, ok := decl.(*ast.FuncDecl); ok {
				found[f.Name.Name] = true
			}
		}
	}
	return found
}
