"use strict";
// Everything is on the page already; this adds filters, keys and the view of one case.
// The fragment of the address holds the filter and the open case, so that it is a link.
(async () => {
	const $ = (sel, in_ = document) => in_.querySelector(sel);
	const $$ = (sel, in_ = document) => [...in_.querySelectorAll(sel)];
	const make = (tag, props = {}, ...kids) => {
		const e = Object.assign(document.createElement(tag), props);
		e.append(...kids);
		return e;
	};
	const packed = $("#packed");
	if (packed) {
		const octets = Uint8Array.from(atob(packed.textContent.replaceAll("-", "+").replaceAll("_", "/")), c => c.charCodeAt(0));
		const stream = new Blob([octets]).stream().pipeThrough(new DecompressionStream("gzip"));
		packed.parentNode.insertAdjacentHTML("beforeend", await new Response(stream).text());
		packed.remove();
	}
	const data = JSON.parse($("#data").textContent);
	const form = $("form.filter"), panel = $("#panel");
	const signs = new Map($$(".legend span").map(s => [s.firstChild.className.split(" ")[1], {sign: s.firstChild.textContent, name: s.children[1].textContent}]));
	const fields = ["q", "rfc", "level", "area", "v", "peer"];

	// The rows, each with what the filters ask for.
	const rows = [];
	for (const side of $$(".side")) {
		const peers = $$(".heads span", side).map(s => s.dataset.peer);
		for (const area of $$("details", side)) {
			for (const tr of $$("tbody tr", area)) {
				const about = data.cases[rows.length];
				const ids = [...(about.r || []), ...(about.a || []), ...(about.o || [])];
				const rules = ids.map(id => data.rules[id]);
				rows.push({
					tr, area, side, peers, ids, about,
					id: new URLSearchParams(tr.cells[0].firstChild.hash.slice(1)).get("case"),
					level: tr.cells[1].textContent,
					rfc: new Set(rules.map(r => r[1].split(" §")[0]).filter(w => w && w !== "odd reply")),
					words: [tr.textContent, ...ids, ...rules.map(r => r.join(" "))].join(" ").toLowerCase(),
					verdicts: [...tr.cells].slice(3).map(c => c.className && signs.get(c.className) ? signs.get(c.className).name : ""),
				});
			}
		}
	}
	const byID = new Map(rows.map(r => [r.id, r]));
	for (const r of rows) {
		const told = document.getElementById(`case=${r.id}`);
		if (told) r.words += " " + told.textContent.toLowerCase();
	}
	const rfcs = [...new Set(rows.flatMap(r => [...r.rfc]))].sort((a, b) => a.localeCompare(b, "en", {numeric: true}));
	form.rfc.append(...rfcs.map(n => make("option", {textContent: n})));

	// Address.
	const state = () => new URLSearchParams(location.hash.slice(1));
	let opened = null; // the row in the panel
	let current = null, column = 0;
	function address(open) {
		const p = new URLSearchParams();
		for (const f of fields) if (form[f].value) p.set(f === "peer" ? "only" : f, form[f].value);
		if (open) {
			p.set("case", open.row.id);
			if (open.peer) p.set("peer", open.peer);
		}
		const text = p.toString().replaceAll("%2F", "/");
		if (text !== location.hash.slice(1)) history.replaceState(null, "", text ? "#" + text : location.pathname + location.search);
	}
	function arrive() {
		const p = state();
		for (const f of fields) {
			const value = p.get(f === "peer" ? "only" : f) || (f === "peer" && !p.has("case") && p.get("peer")) || "";
			form[f].value = value;
			if (form[f].value !== value) form[f].value = "";
		}
		filter();
		const row = byID.get(p.get("case"));
		if (row) show(row, p.get("peer"));
		else {
			close();
			if (fields.some(f => form[f].value)) form.scrollIntoView();
		}
	}

	// Filter.
	const telling = v => v && v !== "pass" && v !== "skip";
	const dim = document.head.appendChild(make("style")).sheet;
	function filter() {
		const want = Object.fromEntries(fields.map(f => [f, form[f].value]));
		const words = want.q.toLowerCase().split(/\s+/).filter(Boolean);
		const active = fields.some(f => want[f]);
		const fits = want.v === "telling" ? telling : want.v ? v => v === want.v : Boolean;
		while (dim.cssRules.length) dim.deleteRule(0);
		let shown = 0;
		for (const r of rows) {
			const i = r.peers.indexOf(want.peer);
			const verdicts = want.peer ? (i < 0 ? [] : [r.verdicts[i]]) : r.verdicts;
			const ok = (!want.rfc || r.rfc.has(want.rfc)) && (!want.level || r.level === want.level) && (!want.area || r.area.dataset.area === want.area) &&
				verdicts.some(fits) && words.every(w => r.words.includes(w));
			r.tr.hidden = !ok;
			if (ok) shown++;
		}
		for (const side of $$(".side")) {
			const heads = $$(".heads span", side), at = heads.findIndex(s => s.dataset.peer === want.peer);
			if (at >= 0) {
				column = at;
				side.scrollLeft = heads[at].offsetLeft - side.clientWidth / 2;
				dim.insertRule(`.side td:nth-child(n+4):not(:nth-child(${at + 4})), .side summary .cell:not(:nth-child(${at + 2})), .heads span:not(:nth-child(${at + 2})) { opacity: var(--dim); position: var(--dimmed, static) }`);
			}
			let any = false;
			for (const area of $$("details", side)) {
				const some = $("tbody tr:not([hidden]) a", area);
				for (const a of $$("tbody [href]", area)) a.tabIndex = a === some ? 0 : -1;
				area.hidden = !some;
				any ||= some;
				if (!("was" in area.dataset)) area.dataset.was = area.open;
				area.open = active ? Boolean(some) : area.dataset.was === "true";
			}
			side.hidden = !any;
		}
		for (const a of $$("#findings > article")) {
			const row = byID.get(new URLSearchParams(a.id).get("case"));
			a.hidden = row ? row.tr.hidden : false;
			for (const o of $$(".outcome", a)) {
				const slug = new URLSearchParams(o.id).get("peer"), v = row && row.verdicts[row.peers.indexOf(slug)];
				o.hidden = want.peer && slug !== want.peer || want.v && !fits(v);
			}
		}
		for (const f of fields) form[f].classList.toggle("set", Boolean(want[f]));
		const out = $("output", form);
		out.dataset.filter = active ? ": " + fields.filter(f => want[f]).map(f => form[f].selectedOptions ? form[f].selectedOptions[0].textContent : want[f]).join(", ") : "";
		out.textContent = active ? `${shown} of ${rows.length} cases` : `${rows.length} cases`;
		$(".none").hidden = shown > 0;
	}
	form.addEventListener("input", () => { filter(); address(opened && {row: opened, peer: state().get("peer")}); });
	form.addEventListener("submit", e => e.preventDefault());
	form.addEventListener("reset", () => setTimeout(() => { filter(); address(); }));
	$(".none button").addEventListener("click", () => form.reset());
	const fold = $(".fold");
	fold.addEventListener("click", () => {
		const open = fold.getAttribute("aria-pressed") !== "true";
		fold.setAttribute("aria-pressed", open);
		fold.textContent = open ? "Close all" : "Open all";
		for (const d of $$(".side details")) { d.open = open; d.dataset.was = open; }
	});
	for (const d of $$(".side summary")) {
		d.addEventListener("click", () => { if (!fields.some(f => form[f].value)) d.parentNode.dataset.was = !d.parentNode.open; });
	}

	// One case.
	const wireLine = /^\s*(\d+:\d\d\.\d+)\s\s(?:(C|S|F|TLS|X|T)(\*?)(: |\| ))?(.*)$/;
	function dialogue(text) {
		const box = make("div", {className: "wire"});
		let last = "";
		for (const line of text.split("\n")) {
			if (!line) continue;
			const m = wireLine.exec(line) || [, "", "", "", "", line.trim()];
			const by = m[2] || "note";
			const row = make("div", {className: by + (m[3] ? " lock" : "") + (m[4] === "| " ? " open" : "")});
			const who = {C: "C →", S: "← S", TLS: "TLS", X: "×", T: "⏲", F: "·"}[by] || "";
			row.append(make("time", {textContent: m[1] === last ? "" : m[1], title: m[1]}), make("span", {className: "who", textContent: who}), make("span", {className: "text", textContent: m[5]}));
			last = m[1];
			if (m[3]) row.title = "inside TLS";
			box.append(row);
		}
		return box;
	}
	function walked(path) {
		for (const e of $$(".walked")) e.classList.remove("walked");
		const states = $$("b", path).map(b => b.textContent);
		states.forEach((s, i) => {
			for (const e of $$(`[id$="-state-${s}"]`)) e.classList.add("walked");
			if (i) for (const e of $$(`[id$="-edge-${states[i - 1]}-${s}"]`)) e.classList.add("walked");
		});
		close();
		$("#machine").scrollIntoView();
	}
	function enrich(outcome) {
		for (const e of [outcome, ...$$("[id]", outcome)]) e.removeAttribute("id");
		outcome.hidden = false;
		for (const pre of $$("pre", outcome)) {
			const details = pre.parentNode;
			details.open = true;
			const wire = dialogue(pre.textContent);
			pre.replaceWith(wire);
			if ($(".lock", wire)) wire.after(make("p", {className: "wire-key"}, make("i"), "inside TLS"));
		}
		for (const path of $$(".path", outcome)) {
			if ($("#machine")) path.append(make("button", {type: "button", textContent: "Show on the machine", onclick: () => walked(path)}));
		}
		return outcome;
	}
	function show(row, peer, focus) {
		opened = row;
		if (!row.peers.includes(peer)) peer = row.peers.find((_, i) => telling(row.verdicts[i])) || row.peers.find((_, i) => row.verdicts[i]) || row.peers[0];
		column = row.peers.indexOf(peer);
		mark(row);
		const bar = make("div", {className: "bar"},
			make("button", {type: "button", textContent: "←", title: "the case before (k)", onclick: () => step(-1)}),
			make("button", {type: "button", textContent: "→", title: "the next case (j)", onclick: () => step(1)}),
			make("small", {textContent: row.level}),
			make("button", {type: "button", className: "close", textContent: "Close", title: "Esc", onclick: close}));
		const rules = make("ul", {className: "rules"});
		for (const [list, how] of [[row.about.r, ""], [row.about.a, ", tempted"], [row.about.o, ""]]) {
			for (const id of list || []) {
				if (how && (row.about.r || []).includes(id)) continue; // it does both
				const [level, where, text] = data.rules[id];
				rules.append(make("li", {}, make("b", {textContent: id}), " ", make("small", {textContent: [level, where].filter(Boolean).join(", ") + how}), " " + text));
			}
		}
		const tabs = make("div", {className: "tabs"});
		row.peers.forEach((slug, i) => {
			const v = row.verdicts[i];
			if (!v) return;
			const cell = row.tr.cells[i + 3];
			const known = data.peers.find(p => p.slug === slug);
			const b = make("button", {type: "button", title: v, onclick: () => { show(row, slug); }}, make("b", {className: "cell " + cell.className.split(" ")[0], textContent: cell.textContent}), known ? known.name : slug);
			b.setAttribute("aria-pressed", slug === peer);
			tabs.append(b);
		});
		const told = document.getElementById(`case=${row.id}&peer=${peer}`);
		let body;
		if (told) body = enrich(told.cloneNode(true));
		else {
			const v = row.verdicts[column] || "not run";
			const note = data.notes[Object.entries(row.about.n || {}).find(([, peers]) => peers.includes(column))?.[0]];
			body = make("p", {className: "about", textContent: `${(data.peers.find(p => p.slug === peer) || {}).name}: ${v}${note ? ", " + note : ""}.`});
		}
		panel.replaceChildren(bar, make("h3", {textContent: row.id}), make("p", {className: "about", textContent: row.tr.cells[2].textContent}), rules, tabs, body);
		const was = panel.hidden;
		panel.hidden = false;
		covers();
		if (was || focus) panel.focus({preventScroll: true});
		panel.scrollTop = 0;
		address({row, peer});
	}
	function close() {
		if (panel.hidden) return;
		panel.hidden = true;
		opened = null;
		covers();
		address();
		if (current) cell().focus({preventScroll: true});
	}

	// What the panel covers cannot be reached by keys.
	const narrow = matchMedia("(max-width: 860px)");
	const covers = () => { for (const e of [$("header"), $("main")]) e.inert = !panel.hidden && narrow.matches; };
	narrow.addEventListener("change", covers);

	// Keys. One cell of the matrix is the current one. The tabulator comes to the first row
	// of each area; arrows go on from there.
	const cell = () => current.tr.cells[column + 3] || current.tr.cells[0];
	function mark(row) {
		if (current) {
			current.tr.classList.remove("at");
			for (const td of current.tr.cells) td.removeAttribute("tabindex");
		}
		current = row;
		row.tr.classList.add("at");
		row.area.open = true;
		const td = cell();
		td.tabIndex = -1;
		td.setAttribute("aria-label", `${row.id}, ${row.peers[column]}: ${row.verdicts[column] || "not run"}`);
		td.scrollIntoView({block: "nearest"});
	}
	function step(by) {
		const all = rows.filter(r => !r.tr.hidden);
		if (!all.length) return;
		const i = all.indexOf(current);
		const row = all[Math.min(all.length - 1, Math.max(0, i < 0 ? (by > 0 ? 0 : all.length - 1) : i + by))];
		if (panel.hidden) { column = Math.min(column, row.peers.length - 1); mark(row); cell().focus({preventScroll: true}); } else show(row, row.peers[column]);
	}
	function aside(by) {
		if (!current) return step(1);
		column = Math.min(current.peers.length - 1, Math.max(0, column + by));
		if (panel.hidden) { mark(current); cell().focus({preventScroll: true}); } else show(current, current.peers[column]);
	}
	document.addEventListener("keydown", e => {
		if (e.ctrlKey || e.metaKey || e.altKey) return;
		const typing = e.target.matches("input, select, textarea");
		if (e.key === "Escape") {
			if (!panel.hidden) close();
			else if (typing) e.target.blur();
			return;
		}
		if (typing) return;
		const inMatrix = e.target.closest(".side tbody");
		const act = {
			"/": () => { form.scrollIntoView(); form.q.focus({preventScroll: true}); form.q.select(); },
			j: () => step(1), k: () => step(-1), l: () => aside(1), h: () => aside(-1),
			...(inMatrix && {ArrowDown: () => step(1), ArrowUp: () => step(-1), ArrowRight: () => aside(1), ArrowLeft: () => aside(-1)}),
			...((inMatrix || e.target === document.body) && current && {Enter: () => show(current, current.peers[column], true)}),
		}[e.key];
		if (act) { e.preventDefault(); act(); }
	});
	const rowOf = tr => byID.get(new URLSearchParams(tr.cells[0].firstChild.hash.slice(1)).get("case"));
	for (const side of $$(".side")) {
		side.addEventListener("focusin", e => {
			const tr = e.target.closest("tbody tr");
			if (tr && rowOf(tr) !== current) mark(rowOf(tr));
		});
		side.addEventListener("click", e => {
			const a = e.target.closest("a"), td = e.target.closest("td, th"), tr = e.target.closest("tbody tr");
			if (!tr || e.ctrlKey || e.metaKey || e.shiftKey) return;
			const row = rowOf(tr);
			const i = td ? td.cellIndex - 3 : -1;
			if (a) e.preventDefault();
			if (a || i >= 0) show(row, row.peers[i]);
		});
	}
	document.addEventListener("click", async e => {
		const button = e.target.closest(".again button");
		if (!button) return;
		const code = button.previousElementSibling;
		try {
			await navigator.clipboard.writeText(code.textContent);
		} catch {
			getSelection().selectAllChildren(code);
			document.execCommand("copy");
		}
		button.textContent = "Copied";
		setTimeout(() => { button.textContent = "Copy"; }, 1500);
	});

	// On paper the matrix is as it is shown, and everything else is open.
	let folded = [];
	addEventListener("beforeprint", () => { folded = $$("details:not([open], .side details)"); for (const d of folded) d.open = true; });
	addEventListener("afterprint", () => { for (const d of folded) d.open = false; });

	form.hidden = false;
	for (const p of $$(".again")) p.append(make("button", {type: "button", textContent: "Copy"}));
	addEventListener("hashchange", arrive);
	arrive();
})();
