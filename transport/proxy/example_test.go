package proxy_test

import (
	"context"
	"errors"
	"fmt"
	"net"

	"github.com/parley-mail/parley/transport/proxy"
)

func ExampleChain() {
	bastion, err := proxy.Parse("socks5h://me:secret@bastion.example")
	if err != nil {
		fmt.Println(err)
		return
	}
	gate := proxy.Tunnel{Addr: "gate.example:3128"}
	base := dialFunc(func(_ context.Context, _, address string) (net.Conn, error) {
		return nil, errors.New("no route to " + address)
	})

	_, err = proxy.Chain(base, bastion, gate).DialContext(context.Background(), "tcp", "mx.example:25")
	fmt.Println(bastion, errors.Is(err, proxy.ReasonNoProxy))
	fmt.Println(err)
	// Output:
	// socks5://me@bastion.example:1080 true
	// proxy 1 (socks5 bastion.example:1080) for gate.example:3128: dial: proxy not reached: no route to bastion.example:1080
}

func ExampleExceptions() {
	direct, err := proxy.ParseExceptions("*.example.org; 10.0.0.0/8; mx.example.net:25")
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, address := range []string{"mail.example.org:587", "10.1.2.3:25", "mx.example.net:25", "mx.example.net:465", "example.org:25"} {
		fmt.Println(address, direct.Match(address))
	}
	// Output:
	// mail.example.org:587 true
	// 10.1.2.3:25 true
	// mx.example.net:25 true
	// mx.example.net:465 false
	// example.org:25 false
}
