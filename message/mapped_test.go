package message_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/parley-mail/parley/message"
)

// A mapped file is a content like one in memory.
func TestMapFile(t *testing.T) {
	dir := t.TempDir()
	for name, want := range map[string]string{"empty": "", "small": "Subject: x\r\n\r\nhi\r\n", "large": strings.Repeat("gr\xc3\xbc\xc3\x9fe\r\n", 1<<17)} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(want), 0o600); err != nil {
			t.Fatal(err)
		}
		c, closeIt, err := message.MapFile(path)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		b, ok := c.Bytes()
		if !ok || !bytes.Equal(b, []byte(want)) || c.Size != int64(len(want)) || *c.Features != message.ScanBytes([]byte(want)) {
			t.Errorf("%s: %d octets, %+v", name, len(b), c.Features)
		}
		if err := closeIt(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, _, err := message.MapFile(filepath.Join(dir, "missing")); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
	if runtime.GOOS == "linux" {
		if _, _, err := message.MapFile(dir); !errors.Is(err, message.FaultSource) {
			t.Errorf("a directory: %v", err)
		}
	}
}
