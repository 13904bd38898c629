package message

import (
	"os"
	"runtime/debug"
)

// MapFile is a content in a file that is mapped into memory: it costs no copy, and no
// memory of its own beside the system's cache. Close it when the message is done; the
// content must not be used afterwards.
//
// The file must not get shorter meanwhile. If it does while it is looked through here, the
// error says so; later the program would crash. Where that cannot be excluded [FromFile] is
// the better choice. Systems that cannot map files read it.
func MapFile(name string) (c Content, closeIt func() error, err error) {
	f, err := os.Open(name)
	if err != nil {
		return Content{}, nil, err
	}
	defer f.Close()
	b, unmap, err := mapFile(f)
	if err != nil {
		return Content{}, nil, &ContentError{Fault: FaultSource, Err: err}
	}
	c, err = lookThrough(b)
	if err != nil {
		unmap()
		return Content{}, nil, err
	}
	return c, unmap, nil
}

// lookThrough makes a content of a mapping, which may turn out to have holes.
func lookThrough(b []byte) (c Content, err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			fault, ok := r.(error)
			if !ok {
				panic(r)
			}
			err = &ContentError{Fault: FaultSource, Err: fault}
		}
	}()
	return FromBytes(b), nil
}
