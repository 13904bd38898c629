package parley_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/parley-mail/parley"
	"github.com/parley-mail/parley/codec"
	"github.com/parley-mail/parley/events"
)

// Every property and setting can also be reached by its name.
func ExampleSMTP_Config() {
	s := parley.New()
	for _, text := range []string{"maxheaderlength=100", "StopOnBccErrors=True", "MailPort=lots"} {
		if _, err := s.Config(text); err != nil {
			fmt.Println(err)
		}
	}
	length, _ := s.Config("MaxHeaderLength")
	fmt.Println(length, s.StopOnBccErrors)
	// Output:
	// parley: setting "MailPort": this value is not allowed: it is a number from 1 to 65535
	// 100 true
}

// Between Connect and Disconnect any number of messages go over one connection. A refused
// BCc recipient stops nothing: an event tells of it, and so does the result.
func ExampleSMTP_Connect() {
	ctx := context.Background()
	s := parley.New()
	s.MailServer, s.Dialer, s.Hello = "mx.example", exampleServer(), "client.example"
	s.OnError = func(e *events.Error) { fmt.Println(e.ErrorCode, e.Description) }
	if err := s.Connect(ctx); err != nil {
		log.Fatal(err)
	}
	defer s.Disconnect(ctx)
	s.From, s.SendTo, s.Subject = "ada@client.example", "bob@mx.example", "Minutes"
	for _, s.BCc = range []string{"", "nobody@mx.example"} {
		result, err := s.Send(ctx)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(result.Outcome())
	}
	// Output:
	// accepted
	// 161 nobody@mx.example: 550 5.1.1 nobody lives here
	// partial
}

// The number that such classes have for an error, and what Go has.
func ExampleErrorCode() {
	s := parley.New()
	s.MailServer, s.Dialer, s.Hello = "mx.example", exampleServer(), "client.example"
	s.From, s.SendTo = "ada@client.example", "nobody@mx.example"
	_, err := s.Send(context.Background())
	var refused *parley.Error
	if errors.As(err, &refused) && refused.Kind == parley.ErrRefused {
		fmt.Println(parley.ErrorCode(err), refused.Reply.Code, refused.Temporary())
	}
	// Output: 161 550 false
}

// Delivery status notices are asked for by recipient.
func ExampleRecipient() {
	s := parley.New()
	s.MessageRecipients = []parley.Recipient{
		{Address: "bob@mx.example", Name: "Bob", Options: "NOTIFY=SUCCESS,FAILURE"},
		{Address: "carol@mx.example", Type: parley.RecipientBcc, Options: "NOTIFY=NEVER"},
	}
	s.From = "ada@client.example"
	s.DSN = parley.DSN{Return: "HDRS", EnvelopeID: "order-7", Notify: codec.NotifyFailure}
	fields, err := s.MessageHeaders()
	if err != nil {
		log.Fatal(err)
	}
	for _, f := range fields {
		if f.Name == "To" {
			fmt.Println(f)
		}
	}
	// Output: To: Bob <bob@mx.example>
}
