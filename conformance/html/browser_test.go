//go:build interop

package html_test

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/parley-mail/parley/conformance/html"
)

var shots = flag.String("shots", "", "folder to put pictures of the page into")

// browser is a Chromium without a window, and one tab in it. It speaks the DevTools
// protocol through pipes.
type browser struct {
	t       *testing.T
	in      io.Writer
	out     *bufio.Reader
	id      int
	session string
	events  []event
	loads   int // pages loaded so far
}

type event struct {
	Method string
	Params json.RawMessage
}

// patience is how long anything in the browser may take.
const patience = time.Minute

func newBrowser(t *testing.T) *browser {
	t.Helper()
	program, err := exec.LookPath("chromium")
	if err != nil {
		t.Fatal(err, "(interop/install.sh all installs it)")
	}
	theirIn, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	out, theirOut, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars",
		"--remote-debugging-pipe", "--user-data-dir="+t.TempDir(), "about:blank")
	cmd.ExtraFiles = []*os.File{theirIn, theirOut}
	var log bytes.Buffer
	cmd.Stderr = &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	theirIn.Close()
	theirOut.Close()
	b := &browser{t: t, in: in, out: bufio.NewReaderSize(out, 1<<20)}
	t.Cleanup(func() {
		b.call("Browser.close", nil, nil)
		in.Close()
		if err := cmd.Wait(); err != nil {
			t.Logf("chromium: %v\n%s", err, log.Bytes())
		}
		out.Close()
	})
	if err := out.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	var target struct{ TargetID string }
	b.call("Target.createTarget", map[string]any{"url": "about:blank"}, &target)
	var attached struct{ SessionID string }
	b.call("Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true}, &attached)
	b.session = attached.SessionID
	for _, domain := range []string{"Page", "Runtime", "Log", "Network"} {
		b.call(domain+".enable", nil, nil)
	}
	return b
}

// call calls a method and waits for its result; events that come before are kept.
func (b *browser) call(method string, params, result any) {
	b.t.Helper()
	b.id++
	message := map[string]any{"id": b.id, "method": method}
	if params != nil {
		message["params"] = params
	}
	if b.session != "" {
		message["sessionId"] = b.session
	}
	text, err := json.Marshal(message)
	if err != nil {
		b.t.Fatal(err)
	}
	if _, err := b.in.Write(append(text, 0)); err != nil {
		b.t.Fatal(method, err)
	}
	for {
		m := b.read()
		if m.ID != b.id {
			continue
		}
		if m.Error != nil {
			b.t.Fatalf("%s: %s", method, m.Error)
		}
		if result != nil {
			if err := json.Unmarshal(m.Result, result); err != nil {
				b.t.Fatal(method, err)
			}
		}
		return
	}
}

type answer struct {
	ID            int
	Error, Result json.RawMessage
	event
}

func (b *browser) read() answer {
	b.t.Helper()
	text, err := b.out.ReadBytes(0)
	if err != nil {
		b.t.Fatal("chromium says nothing more: ", err)
	}
	var m answer
	if err := json.Unmarshal(text[:len(text)-1], &m); err != nil {
		b.t.Fatal(err)
	}
	if m.Method != "" {
		b.events = append(b.events, m.event)
	}
	if m.Method == "Page.loadEventFired" {
		b.loads++
	}
	return m
}

// open loads a page anew.
func (b *browser) open(url string) {
	b.t.Helper()
	for _, u := range []string{"about:blank", url} {
		n := b.loads
		b.call("Page.navigate", map[string]any{"url": u}, nil)
		for b.loads == n {
			b.read()
		}
	}
}

// eval evaluates an expression.
func (b *browser) eval(expression string) any {
	b.t.Helper()
	var r struct {
		Result           struct{ Value any }
		ExceptionDetails json.RawMessage
	}
	b.call("Runtime.evaluate", map[string]any{"expression": expression, "returnByValue": true, "awaitPromise": true}, &r)
	if r.ExceptionDetails != nil {
		b.t.Fatalf("%s: %s", expression, r.ExceptionDetails)
	}
	return r.Result.Value
}

// is demands what an expression is.
func (b *browser) is(expression string, want any) {
	b.t.Helper()
	if got := b.eval(expression); fmt.Sprint(got) != fmt.Sprint(want) {
		b.t.Errorf("%s is %v, want %v", expression, got, want)
	}
}

// press presses keys, each by its name.
func (b *browser) press(keys ...string) {
	b.t.Helper()
	for _, key := range keys {
		code := map[string]int{"Enter": 13, "Escape": 27, "ArrowDown": 40, "ArrowUp": 38, "ArrowRight": 39}[key]
		down := map[string]any{"type": "keyDown", "key": key, "windowsVirtualKeyCode": code}
		if len(key) == 1 {
			down["text"] = key
		}
		if key == "Enter" {
			down["text"] = "\r"
		}
		b.call("Input.dispatchKeyEvent", down, nil)
		b.call("Input.dispatchKeyEvent", map[string]any{"type": "keyUp", "key": key, "windowsVirtualKeyCode": code}, nil)
	}
}

// size sets the size of the window, and whether it is dark around it.
func (b *browser) size(width, height int, scheme string) {
	b.t.Helper()
	b.call("Emulation.setDeviceMetricsOverride", map[string]any{"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}, nil)
	b.call("Emulation.setEmulatedMedia", map[string]any{"features": []any{map[string]any{"name": "prefers-color-scheme", "value": scheme}}}, nil)
}

// shoot keeps a picture of what the window shows.
func (b *browser) shoot(name string) {
	b.t.Helper()
	if *shots == "" {
		return
	}
	var r struct{ Data string }
	b.call("Page.captureScreenshot", map[string]any{"format": "png"}, &r)
	b.keep(name+".png", r.Data)
}

func (b *browser) keep(name, data string) {
	b.t.Helper()
	octets, err := base64.StdEncoding.DecodeString(data)
	if err == nil {
		err = os.WriteFile(filepath.Join(*shots, name), octets, 0o644)
	}
	if err != nil {
		b.t.Fatal(err)
	}
}

// quiet demands that nothing was said on the console, nothing was refused, and nothing
// was loaded but the page.
func (b *browser) quiet(url string) {
	b.t.Helper()
	for _, e := range b.events {
		switch e.Method {
		case "Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded":
			b.t.Errorf("%s: %s", e.Method, e.Params)
		case "Network.requestWillBeSent":
			var p struct{ Request struct{ URL string } }
			if err := json.Unmarshal(e.Params, &p); err != nil {
				b.t.Fatal(err)
			}
			if p.Request.URL != url && p.Request.URL != "about:blank" && !strings.HasPrefix(p.Request.URL, "data:") {
				b.t.Errorf("asks for %s", p.Request.URL)
			}
		}
	}
}

// The page in a browser: filters, keys, cases, a narrow window and paper.
func TestBrowser(t *testing.T) {
	b := newBrowser(t)
	file := filepath.Join(t.TempDir(), "report.html")
	var page bytes.Buffer
	if err := html.Write(&page, matrix(t)...); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, page.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	url := "file://" + file

	b.size(1300, 1000, "light")
	best := patience.Seconds() * 1000
	for range 3 {
		b.open(url)
		best = min(best, b.eval("performance.getEntriesByType('navigation')[0].loadEventEnd").(float64))
	}
	t.Logf("%d octets, loaded in %.0f ms", page.Len(), best)
	if best > 1000 {
		t.Errorf("loading takes %.0f ms", best)
	}
	const shown = "document.querySelectorAll('.side tbody tr:not([hidden])').length"
	all := b.eval(shown)
	b.shoot("light")

	t.Run("filter", func(t *testing.T) {
		b.press("/")
		b.is("document.activeElement.name", "q")
		b.press("m", "o", "o", "t")
		b.is("location.hash", "#q=moot")
		b.is("[...document.querySelectorAll('.side tbody tr')].every(r => !r.hidden || !/moot/.test(r.textContent)) && "+shown+" > 0 && "+shown+" < 100", true)
		b.shoot("filter")
		b.open(url + "#v=fail&only=ash-1.0&level=MUST")
		b.is("document.querySelector('[name=v]').value + document.querySelector('[name=peer]').value", "failash-1.0")
		b.is("[...document.querySelectorAll('.side tbody tr:not([hidden])')].every(r => r.cells[4].className === 'f' && r.cells[1].textContent === 'MUST')", true)
		b.is(shown+" > 0", true)
		b.shoot("peer")
		b.eval("document.querySelector('.filter [type=reset]').click(); new Promise(done => setTimeout(done))")
		b.is(shown, all)
		b.is("location.hash", "")
		b.open(url + "#q=nothing+is+like+this")
		b.is("document.querySelector('.none').hidden", false)
	})
	t.Run("case", func(t *testing.T) {
		b.open(url)
		b.eval("document.querySelector('.side td.f a').click()")
		b.is("document.querySelector('#panel').hidden", false)
		b.is("/^#case=[a-z0-9]+\\/[a-z0-9-]+&peer=[a-z]+-1.0$/.test(location.hash)", true)
		b.is("document.querySelectorAll('#panel .wire .C').length > 0", true)
		b.is("document.querySelector('#panel .again code').textContent.startsWith('parley conform run ')", true)
		b.is("document.querySelectorAll('#panel .rules li').length > 0", true)
		b.shoot("case")
		link := b.eval("location.hash").(string)
		b.open(url + link)
		b.is("document.querySelector('#panel').hidden", false)
		b.eval("document.querySelector('#panel .path button').click()")
		b.is("document.querySelectorAll('.machine .walked').length > 0", true)
		b.shoot("walked")
	})
	t.Run("keys", func(t *testing.T) {
		b.open(url)
		b.press("j", "j", "k", "l")
		first := b.eval("document.querySelector('.side tbody tr').cells[0].textContent")
		b.is("document.querySelector('.side tr.at').cells[0].textContent", first)
		b.is("document.activeElement.cellIndex", 4)
		b.press("ArrowDown", "ArrowRight", "Enter")
		b.is("document.querySelector('#panel').hidden", false)
		second := b.eval("document.querySelector('#panel h3').textContent")
		b.press("j")
		b.is("document.querySelector('#panel h3').textContent !== '"+second.(string)+"'", true)
		b.press("Escape")
		b.is("document.querySelector('#panel').hidden", true)
		b.is("document.activeElement.tagName", "TD")
		b.is("getComputedStyle(document.activeElement).outlineStyle", "solid")
	})
	t.Run("dark", func(t *testing.T) {
		b.size(1300, 1000, "dark")
		b.open(url)
		b.is("getComputedStyle(document.body).backgroundColor", "rgb(15, 19, 24)")
		b.shoot("dark")
		b.eval("document.querySelector('#machine').scrollIntoView()")
		b.shoot("dark-machine")
		b.size(1300, 1000, "light")
		b.eval("document.querySelector('#machine').scrollIntoView()")
		b.shoot("machine")
		b.eval("document.querySelector('#findings').scrollIntoView()")
		b.shoot("findings")
	})
	t.Run("phone", func(t *testing.T) {
		b.size(360, 780, "light")
		b.open(url)
		const narrow = "document.documentElement.scrollWidth <= 360"
		b.is(narrow, true)
		b.shoot("phone")
		b.eval("document.querySelector('.side td.f').scrollIntoView({block: 'center'})")
		b.shoot("phone-cases")
		b.eval("document.querySelector('.side td.f a').click()")
		b.is(narrow, true)
		b.is("document.querySelector('#panel').scrollWidth <= 360", true)
		b.shoot("phone-case")
		b.press("Escape")
		b.eval("for (const d of document.querySelectorAll('details')) d.open = true")
		b.is(narrow, true)
	})
	t.Run("paper", func(t *testing.T) {
		b.size(1300, 1000, "light")
		b.open(url)
		var r struct{ Data string }
		b.call("Page.printToPDF", map[string]any{"printBackground": true, "paperWidth": 8.27, "paperHeight": 11.69}, &r)
		if pdf, err := base64.StdEncoding.DecodeString(r.Data); err != nil || !bytes.HasPrefix(pdf, []byte("%PDF-")) || len(pdf) < 50_000 {
			t.Errorf("a PDF of %d octets, %v", len(pdf), err)
		}
		if *shots != "" {
			b.keep("print.pdf", r.Data)
		}
	})
	t.Run("without script", func(t *testing.T) {
		b.call("Emulation.setScriptExecutionDisabled", map[string]any{"value": true}, nil)
		b.open(url)
		b.is("document.querySelector('.filter').hidden", true)
		b.is("document.querySelectorAll('.outcome pre').length > 0", true)
		b.eval("location.hash = document.querySelector('.side td.f a').hash")
		b.is("document.querySelector(':target').className", "outcome")
		b.shoot("plain")
	})
	b.quiet(url)
}

// What a hostile server says runs nothing and loads nothing.
func TestBrowserHostile(t *testing.T) {
	b := newBrowser(t)
	file := filepath.Join(t.TempDir(), "report.html")
	var page bytes.Buffer
	if err := html.Write(&page, hostile()); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, page.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	url := "file://" + file
	b.size(1000, 900, "light")
	b.open(url)
	b.eval("document.querySelector('.side td.f a').click()")
	b.is("typeof hacked", "undefined")
	b.is("document.querySelectorAll('img, iframe, object').length", 0)
	b.is("document.querySelector('#panel').hidden", false)
	b.shoot("hostile")
	b.quiet(url)
}
