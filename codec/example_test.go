package codec_test

import (
	"errors"
	"fmt"

	"github.com/parley-mail/parley/codec"
)

func ExampleDecoder() {
	var d codec.Decoder
	for _, piece := range []string{"250-mx.example\r\n250-SIZE 100", "0\r\n250 AUTH PLAIN\r\n550 5.1.1 no such", " user\r\nHTTP/1.1 400 Bad Request\r\n"} {
		d.Feed([]byte(piece))
		for {
			r, err := d.Next()
			if err != nil {
				fmt.Println(err)
				return
			}
			if r == nil {
				break // more is needed
			}
			fmt.Println(r)
			var x codec.Extensions
			if x.Parse(r); x.Size {
				fmt.Println("takes messages of", x.MaxSize, "octets")
			}
		}
	}
	// Output:
	// 250 mx.example / SIZE 1000 / AUTH PLAIN
	// takes messages of 1000 octets
	// 550 5.1.1 no such user
	// codec: malformed reply (bad-code) at offset 71: "HTTP/1.1 400 Bad Request", looks like HTTP
}

func ExampleAppendMail() {
	line, err := codec.AppendMail(nil, "MAIL", "alice@example.org", &codec.MailParams{Size: 2048, Body: codec.Body8BitMIME})
	fmt.Printf("%q %v\n", line, err)

	_, err = codec.AppendMail(nil, "MAIL", "alice@example.org>\r\nDATA", nil)
	var wrong *codec.ArgumentError
	fmt.Println(errors.As(err, &wrong), err)
	// Output:
	// "MAIL FROM:<alice@example.org> SIZE=2048 BODY=8BITMIME\r\n" <nil>
	// true codec: reverse-path: '>' at offset 17 (letters, digits and hyphens in a domain, RFC 5321 §4.1.2)
}

func ExampleStuffer() {
	var s codec.Stuffer // normalizes line ends
	wire, err := s.Append(nil, []byte("Subject: dots\n\n.hidden\r"))
	if err == nil {
		wire, err = s.Append(wire, []byte("\nno end of line"))
	}
	if err == nil {
		wire, err = s.End(wire)
	}
	fmt.Printf("%q %v\n", wire, err)
	// Output:
	// "Subject: dots\r\n\r\n..hidden\r\nno end of line\r\n.\r\n" <nil>
}
