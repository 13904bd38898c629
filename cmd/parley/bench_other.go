//go:build !unix

package main

import (
	"runtime"
	"time"
)

func cpuTime() (user, sys time.Duration) { return 0, 0 }

func residentSet() int64 { return 0 }

func settle() { runtime.GC() }

func watchMemory() func() *float64 { return func() *float64 { return nil } }
