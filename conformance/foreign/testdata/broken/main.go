// Command broken is a plain mail client that is wrong in one way:
//
//	broken honest HOST PORT    in none
//	broken crash HOST PORT     it looks at the fourth octet of a line that may not have one
//	broken hang HOST PORT      it awaits the last line of a reply although the connection is gone
//	broken lie HOST PORT       it takes the end of the connection behind the content for a yes
//	broken shrug HOST PORT     it forgets that a recipient was refused
//	broken hoard HOST PORT     it keeps all of a reply, however long
package main

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"
)

const longest = 64 << 10 // of a reply

type client struct {
	fault  string
	nc     net.Conn
	in     *bufio.Reader
	ended  bool // the end of the content was sent
	shrugs bool // a refusal does not count
	hoard  []string
}

// patient waits as long as it was told for what comes next, however much comes.
type patient struct{ net.Conn }

func (p patient) Read(b []byte) (int, error) {
	p.SetReadDeadline(time.Now().Add(2 * time.Second))
	return p.Conn.Read(b)
}

func main() {
	nc, err := net.Dial("tcp", net.JoinHostPort(os.Args[2], os.Args[3]))
	if err != nil {
		leave(75, err)
	}
	nc.SetWriteDeadline(time.Now().Add(time.Minute))
	c := &client{fault: os.Args[1], nc: nc, in: bufio.NewReaderSize(patient{nc}, 64<<10)}
	c.await(2)
	c.say("EHLO c.example", 2)
	c.say("MAIL FROM:<"+os.Getenv("PARLEY_FROM")+">", 2)
	for _, to := range strings.Split(os.Getenv("PARLEY_RCPTS"), ",") {
		c.shrugs = c.fault == "shrug"
		c.say("RCPT TO:<"+to+">", 2)
		c.shrugs = false
	}
	c.say("DATA", 3)
	c.ended = true
	c.say("Subject: t\r\n\r\nhello\r\n.", 2)
	fmt.Fprintf(nc, "QUIT\r\n")
	nc.Close()
}

func (c *client) say(line string, class int) {
	fmt.Fprintf(c.nc, "%s\r\n", line)
	c.await(class)
}

// await reads a reply, and leaves unless it is of the class.
func (c *client) await(class int) {
	code := 0
	for total := 0; ; {
		line, err := c.line()
		switch {
		case err != nil && c.fault == "hang" && code > 0:
			time.Sleep(10 * time.Millisecond)
			continue
		case err != nil && c.fault == "lie" && c.ended:
			os.Exit(0)
		case err != nil:
			c.fail(0, err)
		}
		if total += len(line); total > longest && c.fault != "hoard" {
			c.fail(0, "too much")
		}
		line = strings.TrimRight(line, "\r\n")
		if c.fault != "crash" && len(line) < 3 {
			c.fail(0, line)
		}
		n, err := strconv.Atoi(line[:min(3, len(line))])
		if err != nil || code != 0 && n != code {
			c.fail(0, line)
		}
		code = n
		if c.fault == "crash" && line[3] != '-' || c.fault != "crash" && (len(line) == 3 || line[3] == ' ') {
			break
		}
		if line[3] != '-' {
			c.fail(0, line)
		}
	}
	if c.shrugs && code >= 400 {
		return
	}
	if code/100 != class || class == 3 && code != 354 {
		c.fail(code, code)
	}
}

// line reads a line. One that is longer than the buffer is an error, unless it hoards.
func (c *client) line() (string, error) {
	if c.fault != "hoard" {
		line, err := c.in.ReadSlice('\n')
		return string(line), err
	}
	line, err := c.in.ReadString('\n')
	c.hoard = append(c.hoard, line, strings.Clone(line), strings.Clone(line))
	return line, err
}

func (c *client) fail(code int, why any) {
	switch {
	case c.ended && code < 400:
		leave(79, why)
	case code >= 500:
		leave(69, why)
	}
	leave(75, why)
}

func leave(code int, why any) {
	fmt.Fprintln(os.Stderr, why)
	os.Exit(code)
}
