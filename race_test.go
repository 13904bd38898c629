//go:build race

package parley_test

// stride is how many octets the sweeps go at a time: the race detector makes each run
// ten times as dear. Without it every octet is tried.
const stride = 7
