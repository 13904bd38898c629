package message_test

import (
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/parley-mail/parley/message"
)

func ExampleMessage() {
	m := message.Message{
		From:      []message.Address{{Name: "Jörg", Path: message.MustParsePath("joerg@bücher.example")}},
		To:        message.MustParseAddressList(`"Doe, Jane" <jane@example.com>`),
		Bcc:       message.MustParseAddressList("audit@example.com"),
		Subject:   "Grüße",
		Date:      time.Date(2026, 11, 24, 9, 8, 7, 0, time.UTC),
		MessageID: "1@example.com",
		Charset:   "UTF-8",
		Text:      "Bis bald!\n",
	}
	envelope, err := m.Envelope()
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, r := range envelope.Recipients {
		fmt.Println(r.Kind, r.Path)
	}
	if _, err := m.WriteTo(unix{}); err != nil {
		fmt.Println(err)
	}
	// Output:
	// to jane@example.com
	// bcc audit@example.com
	// Date: Tue, 24 Nov 2026 09:08:07 +0000
	// From: =?UTF-8?Q?J=C3=B6rg?= <joerg@xn--bcher-kva.example>
	// To: "Doe, Jane" <jane@example.com>
	// Subject: =?UTF-8?B?R3LDvMOfZQ==?=
	// Message-ID: <1@example.com>
	// MIME-Version: 1.0
	// Content-Type: text/plain; charset=US-ASCII
	// Content-Transfer-Encoding: 7bit
	//
	// Bis bald!
}

func ExampleParsePath() {
	for _, s := range []string{"Jane@EXAMPLE.com", "jane doe@example.com", "<@relay.example:u@d>", "a> NOTIFY=NEVER@b", "a@b\r\nRSET"} {
		path, err := message.ParsePath(s)
		if err != nil {
			fmt.Println(err)
			continue
		}
		fmt.Printf("<%s>\n", path)
	}
	// Output:
	// <Jane@example.com>
	// <"jane doe"@example.com>
	// <u@d>
	// message: local part: at octet 1 of "a> NOTIFY=NEVER@b": a special character needs quotes around the local part (RFC 5321 §4.1.2)
	// message: domain: at octet 3 of "a@b\r\nRSET": want letters, digits and hyphens (RFC 5321 §4.1.2)
}

// unix prints without CRs.
type unix struct{}

func (unix) Write(p []byte) (int, error) {
	_, err := os.Stdout.WriteString(strings.ReplaceAll(string(p), "\r", ""))
	return len(p), err
}
