//go:build interop

package message_test

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/parley-mail/parley/message"
)

// TestCorpusPerl reads the corpus by MIME::Parser, of Debian's package libmime-tools-perl:
//
//	apt-get install libmime-tools-perl
func TestCorpusPerl(t *testing.T) {
	perl, err := exec.LookPath("perl")
	if err == nil {
		err = exec.Command(perl, "-MMIME::Parser", "-MJSON::PP", "-e1").Run()
	}
	if err != nil {
		t.Skip("needs perl and libmime-tools-perl:", err)
	}
	checkCorpus(t, func(s *sample) {
		s.message.Encoding = min(s.message.Encoding, message.EightBit) // it drops line ends at the end of a binary part
		for i := range s.want.From {                                   // it reads addresses without names
			_, address, _ := strings.Cut(s.want.From[i], "|")
			s.want.From[i] = "|" + address
		}
		s.want.To, s.want.Cc = nil, nil // it knows no groups
	}, perl, "testdata/check_mime.pl")
}
