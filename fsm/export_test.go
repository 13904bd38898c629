package fsm

// Compile is for the test that two rows for one pair do not pass in silence.
func Compile(exchanges []Exchange, jumps []Jump) { compile(exchanges, jumps) }
