// Package fuzz drives the engine with what a hostile or broken server may say, and
// judges what comes of it.
//
// Each function takes arbitrary octets, which it reads as a plan, and returns an error
// that names the invariant that does not hold. They need no network, no clock and no
// goroutine, so a plan always gives the same result, and thousands run in a second.
// The fuzz targets of this package, and whoever fuzzes on another engine, call them.
package fuzz
