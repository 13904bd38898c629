//go:build unix

package main

import (
	"fmt"
	"os"
	"runtime/debug"
	"syscall"
	"time"
)

// cpuTime is the processor time that this process has used so far.
func cpuTime() (user, sys time.Duration) {
	var r syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &r) != nil {
		return 0, 0
	}
	return time.Duration(r.Utime.Nano()), time.Duration(r.Stime.Nano())
}

// residentSet is the memory of this process that is in use now, in octets; 0 where the
// system does not tell.
func residentSet() int64 {
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

// settle gives back what is not in use.
func settle() { debug.FreeOSMemory() }
