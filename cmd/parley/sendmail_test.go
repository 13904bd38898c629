package main

import (
	"bufio"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	mail "github.com/parley-mail/parley/message"
)

func TestReadHead(t *testing.T) {
	long := strings.Repeat("x", 3*4096)
	for _, c := range []struct{ name, in, head, rest string }{
		{"whole", "A: 1\r\nB: 2\r\n\r\ntext\r\n", "A: 1\r\nB: 2\r\n", "text\r\n"},
		{"folded", "A: 1\n 2\n\t3\n\ntext", "A: 1\n 2\n\t3\n", "text"},
		{"no text", "A: 1", "A: 1\n", ""},
		{"nothing", "", "", ""},
		{"empty line first", "\nA: 1\n", "", "A: 1\n"},
		{"no header", "hello, world: yes\n", "", "hello, world: yes\n"},
		{"blank first", " A: 1\n", "", " A: 1\n"},
		{"text begins at once", "A: 1\nhello world\n", "A: 1\n", "hello world\n"},
		{"of a mailbox", "From a@b Fri\nA: 1\n\nFrom here\n", "A: 1\n", "From here\n"},
		{"long line", "A: " + long + "\n\n" + long, "A: " + long + "\n", long},
		{"long word", long + ": 1\n", "", long + ": 1\n"},
	} {
		in := bufio.NewReaderSize(iotest.OneByteReader(strings.NewReader(c.in)), 4096)
		head, err := readHead(in)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		rest, err := io.ReadAll(in)
		if err != nil || string(head) != c.head || string(rest) != c.rest {
			t.Errorf("%s: head %q, rest %q, %v", c.name, head, rest, err)
		}
	}
	var header *mail.HeaderError
	if _, err := readHead(bufio.NewReader(strings.NewReader("A: " + strings.Repeat("x", maxHead)))); !errors.As(err, &header) {
		t.Errorf("endless: %v", err)
	}
	broken := errors.New("broken")
	if _, err := readHead(bufio.NewReader(io.MultiReader(strings.NewReader("A: 1\n"), iotest.ErrReader(broken)))); !errors.Is(err, broken) {
		t.Errorf("broken: %v", err)
	}
}

func TestUpToDot(t *testing.T) {
	long := strings.Repeat("x", 4096)
	for in, want := range map[string]string{
		"":                  "",
		"a\nb":              "a\nb",
		"a\n.\nb\n":         "a\n",
		"a\r\n.\r\nb":       "a\r\n",
		".\n":               "",
		"a\n.":              "a\n",
		"a\n..\n.b\n":       "a\n..\n.b\n",
		long + ".\nb\n":     long + ".\nb\n", // the dot is not alone: its line began before
		long + "\n.\nb\n":   long + "\n",
		"a.\n" + long + "c": "a.\n" + long + "c",
	} {
		got, err := io.ReadAll(&upToDot{in: bufio.NewReaderSize(strings.NewReader(in), 4096)})
		if err != nil || string(got) != want {
			t.Errorf("%.20q: %.40q, %v", in, got, err)
		}
	}
}
