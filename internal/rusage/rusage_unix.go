//go:build unix

package rusage

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"
)

// CPU is the processor time that this process has used so far.
func CPU() (user, sys time.Duration) {
	var r syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &r) != nil {
		return 0, 0
	}
	return time.Duration(r.Utime.Nano()), time.Duration(r.Stime.Nano())
}

// Resident is the memory of this process that is in use now, in octets; 0 where the
// system does not tell.
func Resident() int64 {
	var size, pages int64
	data, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	if _, err := fmt.Sscan(string(data), &size, &pages); err != nil {
		return 0
	}
	return pages * int64(os.Getpagesize())
}

// WatchMemory begins to watch how much memory this process uses at most, and returns what
// tells how much more that was than now, in KiB; nil where the system does not say.
func WatchMemory() func() *float64 {
	Settle()
	// Writing 5 makes the peak what is in use now.
	if os.WriteFile("/proc/self/clear_refs", []byte("5"), 0) != nil {
		return func() *float64 { return nil }
	}
	base := peak()
	return func() *float64 {
		more := max(peak()-base, 0)
		return &more
	}
}

// peak is the most memory that this process has had in use, in KiB.
func peak() float64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	_, after, _ := strings.Cut(string(status), "VmHWM:")
	var kib float64
	if _, err := fmt.Sscan(after, &kib); err != nil {
		return 0
	}
	return kib
}
