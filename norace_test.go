//go:build !race

package parley_test

const stride = 1
