//go:build interop

package html_test

import (
	"bufio"
	"bytes"
	_ "embed" // a script for tests
	"encoding/base64"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/parley-mail/parley/conformance"
)

// faint is a script that returns the texts with too little contrast.
//
//go:embed testdata/faint.js
var faint string

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

	patience func() // begins anew
}

type event struct {
	Method string
	Params json.RawMessage
}

// seen is true if nothing covers what has the focus.
const seen = "(r => document.activeElement.contains(document.elementFromPoint(r.left + r.width / 2, r.top + r.height / 2)))(document.activeElement.getBoundingClientRect())"

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
	b := &browser{t: t, in: in, out: bufio.NewReaderSize(out, 1<<20), patience: func() { _ = out.SetReadDeadline(time.Now().Add(patience)) }}
	t.Cleanup(func() {
		b.call("Browser.close", nil, nil)
		in.Close()
		if err := cmd.Wait(); err != nil {
			t.Logf("chromium: %v\n%s", err, log.Bytes())
		}
		out.Close()
	})
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
	b.patience()
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

// open loads a page anew, and returns how many milliseconds that takes until the script
// has done its part.
func (b *browser) open(url string) float64 {
	b.t.Helper()
	b.load(url)
	const ready = "document.querySelector('.filter').hidden ? requestAnimationFrame(look) : done(performance.now())"
	return b.eval("new Promise(done => { const look = () => " + ready + "; look() })").(float64)
}

// load loads a page anew, and its script may not have run yet.
func (b *browser) load(url string) {
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

// publish puts a page into a file and returns its address.
func publish(t *testing.T, reports ...*conformance.Report) (url string, octets int) {
	t.Helper()
	page := write(t, reports...)
	file := filepath.Join(t.TempDir(), "report.html")
	if err := os.WriteFile(file, []byte(page), 0o644); err != nil {
		t.Fatal(err)
	}
	return "file://" + file, len(page)
}

// press presses keys, each by its name.
func (b *browser) press(keys ...string) {
	b.t.Helper()
	for _, key := range keys {
		code := map[string]int{"Enter": 13, "Escape": 27, "ArrowDown": 40, "ArrowUp": 38, "ArrowRight": 39, "Tab": 9}[key]
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
	if err := os.MkdirAll(*shots, 0o755); err != nil {
		b.t.Fatal(err)
	}
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
	url, octets := publish(t, matrix(t)...)
	b.size(1300, 1000, "light")
	best := patience.Seconds() * 1000
	for range 3 {
		best = min(best, b.open(url))
	}
	t.Logf("%d octets, ready in %.0f ms", octets, best)
	if best > 3000 { // 0.2 s where nothing else runs
		t.Errorf("it is ready after %.0f ms", best)
	}
	const shown = "document.querySelectorAll('.side tbody tr:not([hidden])').length"
	all := b.eval(shown)
	b.shoot("light")

	t.Run("overview", func(t *testing.T) {
		b.is("document.querySelectorAll('.side details[open]').length", 0)
		b.is("[...document.querySelectorAll('.side summary .cell')].filter(c => c.scrollHeight > c.clientHeight || c.scrollWidth > c.clientWidth).length", 0)
		b.is("[...document.querySelectorAll('.side summary .cell')].some(c => c.textContent > 9)", true)
		b.eval("document.querySelector('#matrix').scrollIntoView()")
		b.shoot("overview")
		b.eval("document.querySelector('.fold').click()")
		b.is("document.querySelectorAll('.side details:not([open])').length", 0)
	})
	t.Run("filter", func(t *testing.T) {
		b.open(url)
		b.press("/")
		b.is("document.activeElement.name", "q")
		b.press("m", "o", "o", "t")
		b.is("location.hash", "#q=moot")
		b.is("[...document.querySelectorAll('.side tbody tr')].every(r => !r.hidden || !/moot/.test(r.textContent)) && "+shown+" > 0 && "+shown+" < 100", true)
		b.shoot("filter")
		b.open(url + "#v=fail&only=elm-1.0&level=MUST")
		b.is("document.querySelector('[name=v]').value + document.querySelector('[name=peer]').value", "failelm-1.0")
		b.is("[...document.querySelectorAll('.side tbody tr:not([hidden])')].every(r => r.cells[7].className === 'f' && r.cells[1].textContent === 'MUST')", true)
		b.is(shown+" > 0", true)
		b.is("document.querySelector('.filter').getBoundingClientRect().top < 300", true)
		b.is("[...document.querySelectorAll('.outcome')].every(o => !o.checkVisibility() || /peer=elm-1.0$/.test(o.id))", true)
		b.shoot("peer")
		b.eval("document.querySelector('.filter [type=reset]').click(); new Promise(done => setTimeout(done))")
		b.is(shown, all)
		b.is("location.hash", "")
		for field, value := range map[string]string{"rfc": "RFC 2920", "area": "rfc3207"} {
			b.open(url + "#" + field + "=" + value)
			b.is("document.querySelector('[name="+field+"]').value", value)
			b.is("0 < "+shown+" && "+shown+" < 200", true)
		}
		b.is("[...document.querySelectorAll('.side tbody tr:not([hidden])')].every(r => r.closest('details').open && r.closest('details').dataset.area === 'rfc3207')", true)
		b.open(url + "#q=nothing+is+like+this")
		b.is("document.querySelector('.none').hidden", false)
		b.shoot("none")
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
		b.open(url + "#case=server/area-1/check-19&peer=mx.example") // inside TLS
		b.is("document.querySelectorAll('#panel .wire .lock').length + document.querySelector('#panel .wire-key').textContent", "1inside TLS")
		b.open(url + "#case=rfc5321/smuggling&peer=parley-1.0") // nothing to tell but the verdict
		b.is("[...document.querySelectorAll('#panel > p.about')].pop().textContent", "parley 1.0: pass.")
	})
	t.Run("keys", func(t *testing.T) {
		b.open(url)
		b.press("j", "j", "k", "l")
		first := b.eval("document.querySelector('.side tbody tr').cells[0].textContent")
		b.is("document.querySelector('.side tr.at').cells[0].textContent", first)
		b.is("document.activeElement.cellIndex", 4)
		for range 40 {
			b.press("j")
		}
		for range 20 {
			b.press("k")
		}
		b.is(seen, true) // not under the heads
		b.open(url)
		b.press("j", "l", "ArrowDown", "ArrowRight", "Enter")
		b.is("document.querySelector('#panel').hidden", false)
		second := b.eval("document.querySelector('#panel h3').textContent")
		b.press("j")
		b.is("document.querySelector('#panel h3').textContent !== '"+second.(string)+"'", true)
		b.press("Escape")
		b.is("document.querySelector('#panel').hidden", true)
		b.is("document.activeElement.tagName", "TD")
		b.is("getComputedStyle(document.activeElement).outlineStyle", "solid")
	})
	t.Run("tabulator", func(t *testing.T) {
		b.open(url)
		b.eval("document.querySelector('.fold').focus()")
		stops := map[any]int{}
		for stops["DIV"] == 0 && stops["SUMMARY"] < 100 { // the drawing is behind the matrix
			b.press("Tab")
			b.is("getComputedStyle(document.activeElement).outlineStyle", "solid")
			b.is("(r => r.top < innerHeight && r.bottom > 0)(document.activeElement.getBoundingClientRect())", true)
			stops[b.eval("document.activeElement.tagName")]++
		}
		if areas := int(b.eval("document.querySelectorAll('.side details').length").(float64)); stops["SUMMARY"] != areas || stops["A"] > areas {
			t.Errorf("%v stops for %d areas", stops, areas)
		}
		b.eval("document.querySelector('.side summary').click(); document.querySelector('.side summary').focus()")
		b.press("Tab", "ArrowDown")
		b.is("document.querySelector('.side tr.at').rowIndex", 2)
	})
	t.Run("contrast", func(t *testing.T) {
		for _, scheme := range []string{"light", "dark"} {
			for _, width := range []int{1300, 360} {
				b.size(width, 1000, scheme)
				b.open(url)
				b.eval("for (const d of document.querySelectorAll('details')) d.open = true")
				b.eval("document.querySelector('.side td.f a').click()")
				if texts := b.eval(faint).([]any); len(texts) > 0 {
					t.Errorf("%s, %d wide: %v", scheme, width, texts)
				}
			}
		}
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
		b.eval("document.querySelector('.side td.f').closest('details').open = true; document.querySelector('.side td.f').scrollIntoView({block: 'center'})")
		b.shoot("phone-cases")
		b.eval("document.querySelector('.side td.f a').click()")
		b.is(narrow, true)
		b.is("document.querySelector('#panel').scrollWidth <= 360", true)
		b.is("document.querySelector('main').inert", true) // keys stay in what is seen
		b.shoot("phone-case")
		b.press("Escape")
		b.is("document.querySelector('main').inert", false)
		b.eval("for (const d of document.querySelectorAll('details')) d.open = true")
		b.is(narrow, true)
	})
	t.Run("paper", func(t *testing.T) {
		b.size(1300, 1000, "light")
		all, some := b.paper(url), b.paper(url+"#v=fail&only=elm-1.0")
		if some < 20_000 || all < 3*some {
			t.Errorf("PDFs of %d octets, and of %d with a filter", all, some)
		}
	})
	b.quiet(url)
}

// paper prints a page, and returns the length of the PDF.
func (b *browser) paper(url string) int {
	b.t.Helper()
	b.open(url)
	var r struct{ Data string }
	b.call("Page.printToPDF", map[string]any{"printBackground": true, "paperWidth": 8.27, "paperHeight": 11.69}, &r)
	pdf, err := base64.StdEncoding.DecodeString(r.Data)
	if err != nil || !bytes.HasPrefix(pdf, []byte("%PDF-")) {
		b.t.Errorf("%s is no PDF: %v", url, err)
	}
	if *shots != "" {
		_, fragment, _ := strings.Cut(url, "#")
		b.keep("print"+fragment+".pdf", r.Data)
	}
	return len(pdf)
}

// The page of a single run tells everything without a script, too.
func TestBrowserWithoutScript(t *testing.T) {
	b := newBrowser(t)
	url, _ := publish(t, matrix(t)[5])
	b.size(1300, 1000, "light")
	b.call("Emulation.setScriptExecutionDisabled", map[string]any{"value": true}, nil)
	b.load(url)
	b.is("document.querySelector('.filter').hidden", true)
	b.is("document.querySelectorAll('.outcome pre').length > 0", true)
	b.eval("location.hash = document.querySelector('.side td.f a').hash")
	b.is("document.querySelector(':target').className", "outcome")
	b.shoot("plain")
	b.quiet(url)
}

// A hundred peers are in a frame that scrolls, their names and those of the cases stay.
func TestBrowserMany(t *testing.T) {
	b := newBrowser(t)
	var reports []*conformance.Report
	some := matrix(t)[1:11]
	for i := range 100 {
		r := *some[i%len(some)]
		r.Peer.Version = fmt.Sprint(i)
		reports = append(reports, &r)
	}
	url, octets := publish(t, reports...)
	b.size(1300, 1000, "light")
	t.Logf("%d octets, ready in %.0f ms", octets, b.open(url))
	b.is("document.documentElement.scrollWidth", 1300)
	b.eval("document.querySelector('.fold').click(); document.querySelector('.many').scrollTo(2000, 3000); document.querySelector('.many').scrollIntoView()")
	const box = "document.querySelector('.many').getBoundingClientRect()"
	b.is("Math.round(document.querySelector('.many .heads').getBoundingClientRect().top - "+box+".top) <= 1", true)
	b.is("Math.round(document.querySelector('.many tbody th').getBoundingClientRect().left - "+box+".left) <= 1", true)
	b.shoot("many")
	b.open(url + "#only=elm-53&v=fail")
	b.press("j")
	b.is("document.activeElement.cellIndex", 3+53)
	b.is(seen, true)
	b.press("k", "h", "j", "j", "k")
	b.is(seen, true)
	b.shoot("many-filter")
	b.size(360, 780, "light")
	b.open(url)
	b.is("document.documentElement.scrollWidth", 360)
	b.quiet(url)
}

// What a hostile server says runs nothing and loads nothing, packed or not.
func TestBrowserHostile(t *testing.T) {
	b := newBrowser(t)
	for _, reports := range []int{1, 200} {
		url, _ := publish(t, slices.Repeat([]*conformance.Report{hostile()}, reports)...)
		b.size(1000, 900, "light")
		b.open(url)
		b.eval("document.querySelector('.side td.f a').click()")
		b.is("typeof hacked", "undefined")
		b.is("document.querySelectorAll('img, iframe, object').length", 0)
		b.is("document.querySelector('#panel').hidden", false)
		b.is("document.querySelectorAll('#panel pre, #panel .wire').length > 0", true)
		b.shoot(fmt.Sprint("hostile-", reports))
		b.quiet(url)
		b.events = nil
	}
}
