package live

import (
	"fmt"
	"regexp"
	"sort"
	"testing"

	"github.com/parley-mail/parley/conformance"
)

func TestPort(t *testing.T) {
	cs, _ := conformance.Suite()
	n := 0
	why := map[string]int{}
	re := regexp.MustCompile(`^line \d+: `)
	for _, c := range cs {
		r := Portable(c)
		if r == "" {
			n++
		} else {
			why[re.ReplaceAllString(r, "")]++
		}
	}
	fmt.Println(n, len(cs))
	var ks []string
	for k := range why {
		ks = append(ks, fmt.Sprintf("%4d %s", why[k], k))
	}
	sort.Sort(sort.Reverse(sort.StringSlice(ks)))
	for _, k := range ks {
		fmt.Println(k)
	}
}
