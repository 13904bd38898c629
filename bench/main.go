// Command bench compares what mail clients cost, Parley among them, with the limit: a
// program that writes octets rendered before and only counts replies.
//
//	go run . compare --rounds 7              every client in every workload, once a round; then docs/performance.md
//	go run . compare --workload w1,g-size --client parley --rounds 3
//	                                         some of it; its figures take the place of the older ones
//	go run . report                          docs/performance.md again, from the last whole comparison and what came after
//	go run . client NAME --addr HOST:PORT …  one client alone, with the flags of `parley bench`
//	go run . sink --listen 127.0.0.1:2525    the server alone; a line on its input asks for what it has counted, the end of it ends it
//	go run . components                      the parts of the engine without a network
package main

import (
	"context"
	_ "embed"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"time"

	"github.com/parley-mail/parley/bench/client"
	"github.com/parley-mail/parley/bench/component"
	"github.com/parley-mail/parley/bench/report"
	"github.com/parley-mail/parley/bench/run"
)

//go:embed c/blaster.c
var blaster []byte

//go:embed py/smtplib_load.py
var smtplib []byte

//go:embed js/nodemailer_load.cjs
var nodemailer []byte

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := command(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

var errUsage = errors.New("usage: bench compare | report | client NAME | sink | components; -h after one of them lists its flags")

func command(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return errUsage
	}
	name, args := args[0], args[1:]
	switch {
	case name == "compare":
		return compare(ctx, args)
	case name == "report":
		return write(args)
	case name == "client" && len(args) > 0:
		return client.Run(args[0], args[1:], os.Stdout)
	case name == "sink":
		return serve(args)
	case name == "components":
		return component.Run(os.Stdout, 5, "150ms")
	default:
		return errUsage
	}
}

func compare(ctx context.Context, args []string) error {
	c := run.Config{Source: run.Source{Blaster: blaster, Smtplib: smtplib, Nodemailer: nodemailer}, Log: os.Stderr}
	f := flag.NewFlagSet("compare", flag.ContinueOnError)
	f.IntVar(&c.Rounds, "rounds", 7, "rounds of each workload; those that need no median have fewer")
	workloads := f.String("workload", "", "workloads, or the beginnings of their names, with commas between; components and syscalls; empty: all\n"+strings.Join(run.Names(), " "))
	clients := f.String("client", "", "clients, with commas between, beside those that are the limit; empty: all")
	seconds := f.Float64("seconds", 0.35, "how long a run is meant to take")
	f.IntVar(&c.Messages, "messages", 0, "messages of each run; 0: as many as take that long")
	f.BoolVar(&c.Smoke, "smoke", false, "everything small, to see that it works: the figures mean nothing, and no report is written")
	f.StringVar(&c.Parley, "parley", "", "the command; empty: built from this checkout")
	f.StringVar(&c.Out, "out", "results", "directory of the results")
	docs := f.String("docs", "../docs", "directory of the report, which is written at the end whatever has failed; empty: none")
	if err := f.Parse(args); err != nil {
		return err
	}
	c.Target = time.Duration(*seconds * float64(time.Second))
	c.Workloads, c.Clients = list(*workloads), list(*clients)
	began := time.Now()
	name, err := run.Compare(ctx, c)
	if name == "" {
		return err
	}
	fmt.Fprintf(os.Stderr, "%s, in %s\n", name, time.Since(began).Round(time.Second))
	if c.Smoke || *docs == "" {
		return err
	}
	return errors.Join(err, document(c.Out, *docs))
}

func list(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return r == ',' })
}

func write(args []string) error {
	f := flag.NewFlagSet("report", flag.ContinueOnError)
	in := f.String("in", "results", "directory of the results, or files of them with commas between, the oldest first")
	out := f.String("out", "../docs", "directory of the report")
	if err := f.Parse(args); err != nil {
		return err
	}
	if info, err := os.Stat(*in); err == nil && info.IsDir() {
		return document(*in, *out)
	}
	return writeReport(list(*in), *out)
}

// document writes the report of the results in a directory that count.
func document(results, docs string) error {
	names, err := run.Current(results)
	if err != nil {
		return err
	}
	return writeReport(names, docs)
}

func writeReport(names []string, docs string) error {
	r, err := run.Load(names...)
	if err != nil {
		return err
	}
	return report.Write(r, docs)
}

func serve(args []string) error {
	f := flag.NewFlagSet("sink", flag.ContinueOnError)
	listen := f.String("listen", "127.0.0.1:0", "address")
	tlsListen := f.String("tls-listen", "127.0.0.1:0", "address for TLS from the start, with --ca-out")
	ca := f.String("ca-out", "", "make a certificate, and write its authority to this file")
	startTLS := f.Bool("starttls", false, "offer STARTTLS, with --ca-out")
	if err := f.Parse(args); err != nil {
		return err
	}
	return run.Sink(os.Stdin, os.Stdout, *listen, *tlsListen, *ca, *startTLS)
}
