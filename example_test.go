package parley_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/parley-mail/parley"
	"github.com/parley-mail/parley/events"
	"github.com/parley-mail/parley/internal/sink"
	"github.com/parley-mail/parley/message"
	"github.com/parley-mail/parley/session"
	"github.com/parley-mail/parley/transport/mem"
)

func ExampleDial() {
	ctx := context.Background()
	server := exampleServer() // a server in memory, in place of a network

	conn, err := parley.Dial(ctx, &parley.Endpoint{Address: "mx.example:25", Dialer: server})
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Quit(ctx)

	msg := message.Message{
		From:    message.MustParseAddressList("Ada <ada@client.example>").Addresses(),
		To:      message.MustParseAddressList("Bob <bob@mx.example>, nobody@mx.example"),
		Subject: "Minutes",
		Text:    "Dear Bob,\n\nthe minutes are ready.\n",
	}
	envelope, err := msg.Envelope()
	if err != nil {
		log.Fatal(err)
	}
	content, err := msg.Content()
	if err != nil {
		log.Fatal(err)
	}
	result, err := conn.Deliver(ctx, &parley.Mail{Envelope: &envelope, Content: content})
	if err != nil {
		log.Fatal(err)
	}
	for _, r := range result.Recipients {
		fmt.Println(r.Path, r.Status, r.Reply.Code)
	}
	// Output:
	// bob@mx.example accepted 250
	// nobody@mx.example refused 550
}

// What to do with an error: whether to try again is the error's to say.
func ExampleError() {
	ctx := context.Background()
	server := exampleServer()
	conn, err := parley.Dial(ctx, &parley.Endpoint{Address: "mx.example:25", Dialer: server})
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Quit(ctx)
	env := &message.Envelope{
		ReversePath: message.MustParsePath("ada@client.example"),
		Recipients:  []message.Recipient{{Path: message.MustParsePath("nobody@mx.example")}},
	}
	_, err = conn.Deliver(ctx, &parley.Mail{Envelope: env, Content: message.FromBytes([]byte("Subject: hi\r\n\r\n"))})

	var e *parley.Error
	switch {
	case err == nil:
		fmt.Println("accepted")
	case errors.As(err, &e) && e.Ambiguous():
		fmt.Println("nobody knows; do not send it again blindly")
	case errors.As(err, &e) && e.Temporary():
		fmt.Println("try again later:", err)
	default:
		fmt.Println("give up:", err)
	}
	// Output:
	// give up: parley: while sending RCPT TO: no recipient was accepted: 550 5.1.1 nobody lives here
}

// Everything that happens can be listened to.
func ExampleEndpoint() {
	bus := &events.Bus{}
	bus.Subscribe(events.Of(events.KindStateChanged), func(e events.Event) {
		s := e.(*events.StateChanged)
		fmt.Printf("%v --%v--> %v\n", s.From, s.By, s.To)
	})
	ctx := context.Background()
	conn, err := parley.Dial(ctx, &parley.Endpoint{Address: "mx.example:25", Dialer: exampleServer(), Events: bus})
	if err != nil {
		log.Fatal(err)
	}
	conn.Quit(ctx)
	// Output:
	// idle --dial--> connecting
	// connecting --up--> greeting
	// greeting --CONNECT 2yz--> greeted
	// greeted --EHLO 2yz--> ready
	// ready --QUIT 2yz--> closed
}

// The same by properties.
func ExampleSMTP_Send() {
	s := parley.New()
	s.MailServer, s.Dialer = "mx.example", exampleServer()
	s.From, s.SendTo = "ada@client.example", "bob@mx.example"
	s.Subject, s.MessageText = "Minutes", "The minutes are ready."
	s.OnPITrail = func(e *events.PITrail) {
		if e.Direction == events.FromClient {
			fmt.Println(e.Message)
		}
	}
	s.Hello = "client.example"
	s.MessageDate, s.MessageId = "", ""
	if _, err := s.Send(context.Background()); err != nil {
		log.Fatal(err)
	}
	// Output:
	// EHLO client.example
	// MAIL FROM:<ada@client.example> SIZE=186
	// RCPT TO:<bob@mx.example>
	// DATA
	// QUIT
}

// Many messages over few connections, several of them in flight.
func ExampleSender() {
	ctx := context.Background()
	server := &parley.Endpoint{
		Address: "mx.example:25", Dialer: exampleServer(),
		Session: session.Config{Overlap: 4}, // messages in flight on one connection
	}
	sender := &parley.Sender{MaxConns: 2}
	defer sender.Close(ctx)

	envelope := &message.Envelope{
		ReversePath: message.MustParsePath("ada@client.example"),
		Recipients:  []message.Recipient{{Path: message.MustParsePath("bob@mx.example")}},
	}
	var window []*parley.Message
	for i := range 3 {
		m := &parley.Message{Endpoint: server, Mail: parley.Mail{
			Envelope: envelope, Content: message.FromBytes(fmt.Appendf(nil, "Subject: %d\r\n\r\n", i)),
		}}
		if err := sender.Submit(ctx, m); err != nil {
			log.Fatal(err)
		}
		window = append(window, m)
	}
	for _, m := range window {
		outcome, err := sender.Wait(ctx, m)
		fmt.Println(outcome, err)
	}
	// Output:
	// accepted <nil>
	// accepted <nil>
	// accepted <nil>
}

// exampleServer serves one connection at a time, in memory.
func exampleServer() *mem.Listener {
	l := mem.Listen("mx.example", mem.Options{})
	srv := &sink.Server{Name: "mx.example", Extensions: sink.Size | sink.EnhancedStatusCodes | sink.EightBitMIME}
	srv.Hooks.Rcpt = func(path string) sink.Reply {
		if path == "nobody@mx.example" {
			return sink.Reply{Code: 550, Enhanced: "5.1.1", Text: "nobody lives here"}
		}
		return sink.Reply{}
	}
	go srv.Serve(context.Background(), l)
	return l
}
