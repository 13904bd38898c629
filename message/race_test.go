//go:build race

package message_test

// hugeSize is the size of an attachment that must not be held in memory. The race detector makes each octet ten times as dear.
const hugeSize = 64 << 20
