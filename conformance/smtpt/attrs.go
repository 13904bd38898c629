package smtpt

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Splits returns where a server line is cut: "each" for every octet, or offsets.
func Splits(value string) (each bool, at []int, err error) {
	if value == "each" {
		return true, nil, nil
	}
	for f := range strings.SplitSeq(value, ",") {
		n, err := strconv.Atoi(f)
		if err != nil || n < 1 || len(at) > 0 && n <= at[len(at)-1] {
			return false, nil, fmt.Errorf("wants \"each\" or rising offsets, as in 3,9")
		}
		at = append(at, n)
	}
	return false, at, nil
}

// Repeats bounds rep= and fill=.
const Repeats = 64 << 20

// Fill returns the octets of "x*8000" and how often they come.
func Fill(value string) (octets []byte, n int, err error) {
	what, times, ok := strings.Cut(value, "*")
	n, err = strconv.Atoi(times)
	if !ok || err != nil || n < 0 || what == "" || n > Repeats {
		return nil, 0, fmt.Errorf("wants octets and a count, as in x*8000")
	}
	octets, _, err = Unescape(what)
	return octets, n, err
}

// Delay returns the time span of at=+2s or gap=1s.
func Delay(value string) (time.Duration, error) {
	d, err := time.ParseDuration(strings.TrimPrefix(value, "+"))
	if err != nil || d < 0 || d > 24*time.Hour {
		return 0, fmt.Errorf("%q is no time span up to 24h", value)
	}
	return d, nil
}

func checkServerAttr(a Attr) (err error) {
	switch a.Key {
	case "at", "gap":
		_, err = Delay(a.Value)
	case "split":
		_, _, err = Splits(a.Value)
	case "fill":
		_, _, err = Fill(a.Value)
	case "rep":
		var n int
		n, err = strconv.Atoi(a.Value)
		if err != nil || n < 1 || n > 1<<20 {
			err = fmt.Errorf("wants a count")
		}
	case "join":
		if a.Has {
			err = fmt.Errorf("has no value")
		}
	}
	return err
}
