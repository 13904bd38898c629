// Returns the texts that are seen and whose contrast to what is behind them is less than
// WCAG 2.2 §1.4.3 asks for: 4.5, or 3 if they are large.
(() => {
	const paint = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
	const known = new Map();
	const rgba = colour => {
		if (known.has(colour)) return [...known.get(colour)];
		paint.clearRect(0, 0, 1, 1);
		paint.fillStyle = colour;
		paint.fillRect(0, 0, 1, 1);
		const [r, g, b, a] = paint.getImageData(0, 0, 1, 1).data;
		known.set(colour, [r, g, b, a / 255]);
		return [r, g, b, a / 255];
	};
	const over = (front, back) => [0, 1, 2].map(i => front[i] * front[3] + back[i] * (1 - front[3]));
	const luminance = colour => {
		const [r, g, b] = colour.map(v => (v /= 255) <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4);
		return .2126 * r + .7152 * g + .0722 * b;
	};
	const found = new Set(), looked = new Set();
	const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
	for (let n; (n = texts.nextNode());) {
		const e = n.parentElement;
		let kind = ""; // what looks alike is looked at once
		for (let a = e; a; a = a.parentElement) kind += a.tagName + a.getAttribute("class");
		if (looked.has(kind)) continue;
		if (!n.data.trim() || !e.checkVisibility({opacityProperty: true, visibilityProperty: true})) continue;
		if (e.closest("title, script, noscript, option, optgroup, p.badge")) continue; // the badge has its own ground
		looked.add(kind);
		let opacity = 1;
		const grounds = [];
		for (let a = e; a; a = a.parentElement) {
			const style = getComputedStyle(a), box = a.matches("g") && a.querySelector(":scope > rect");
			opacity *= style.opacity;
			grounds.push(rgba(style.backgroundColor));
			if (box && getComputedStyle(box).fill !== "none") grounds.push(rgba(getComputedStyle(box).fill));
		}
		const back = grounds.reverse().reduce((under, ground) => over(ground, under), [255, 255, 255]);
		const style = getComputedStyle(e);
		const ink = rgba(e.closest("svg") ? style.fill : style.color);
		ink[3] *= opacity;
		const [less, more] = [luminance(over(ink, back)), luminance(back)].sort((x, y) => x - y);
		const size = parseFloat(style.fontSize), large = size >= 24 || size >= 18.66 && style.fontWeight >= 700;
		const contrast = (more + .05) / (less + .05);
		if (contrast < (large ? 3 : 4.5)) found.add(`${e.tagName} ${e.getAttribute("class") || ""}: ${contrast.toFixed(2)}`);
	}
	return [...found];
})()
