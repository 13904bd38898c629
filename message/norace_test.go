//go:build !race

package message_test

const hugeSize = 1 << 30
