//go:build !unix

package rusage

import "time"

func CPU() (user, sys time.Duration) { return 0, 0 }

func Resident() int64 { return 0 }

func WatchMemory() func() *float64 { return func() *float64 { return nil } }
