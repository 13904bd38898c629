// Package rusage tells what this process takes: processor time and memory.
package rusage

import "runtime/debug"

// Settle gives back the memory that is not in use.
func Settle() { debug.FreeOSMemory() }
