package auth_test

import (
	"testing"

	"github.com/xdg-go/scram"

	"github.com/parley-mail/parley/auth"
)

func BenchmarkPlain(b *testing.B) {
	m := auth.NewPlain(credentials("user", "pencil"), auth.Policy{})
	link := secureLink()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := m.Start(link); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkScram is one whole exchange of 4096 iterations; the key derivation
// is nearly all of it.
func BenchmarkScram(b *testing.B) {
	for _, name := range []string{"SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-512"} {
		b.Run(name, func(b *testing.B) {
			server := scramServer(b, scramHashes[name], "pencil")
			m := mechanism(b, name, credentials("user", "pencil"), auth.Policy{})
			b.ReportAllocs()
			for b.Loop() {
				scramExchange(b, m, server)
			}
		})
	}
}

// BenchmarkScramRefused is what a hostile iteration count costs.
func BenchmarkScramRefused(b *testing.B) {
	m := auth.FixNonce(mechanism(b, "SCRAM-SHA-256", credentials("user", "pencil"), auth.Policy{}), scramNonce)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := m.Start(nil); err != nil {
			b.Fatal(err)
		}
		if _, err := m.Next([]byte("r=abcdefghij,s=c2FsdA==,i=2147483647")); err == nil {
			b.Fatal("accepted")
		}
	}
}

func scramExchange(tb testing.TB, m auth.Mechanism, server *scram.Server) {
	conversation := server.NewConversation()
	response, err := m.Start(nil)
	for range 2 {
		var challenge string
		if err == nil {
			challenge, err = conversation.Step(string(response))
		}
		if err == nil {
			response, err = m.Next([]byte(challenge))
		}
	}
	if err == nil {
		err = m.Success()
	}
	if err != nil {
		tb.Fatal(err)
	}
}

// TestAllocations gates what does not depend on the machine.
func TestAllocations(t *testing.T) {
	plain, link := auth.NewPlain(credentials("user", "pencil"), auth.Policy{}), secureLink()
	if got := testing.AllocsPerRun(100, func() { _, _ = plain.Start(link) }); got > 12 {
		t.Errorf("PLAIN: %v allocations, at most 12", got)
	}
}
