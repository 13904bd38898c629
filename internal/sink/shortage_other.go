//go:build !unix

package sink

func tooManyFiles(error) bool { return false }
