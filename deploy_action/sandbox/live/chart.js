"use strict";
const WINDOW_S = 60, LEFT = 40, FOOT = 18;

function svg(tag, attributes, text) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
}
function drawCharts() {
  const first = seen.frames.find((frame) => frame.apps.length);
  const end = seen.now, begin = over ? first?.t ?? 0 : Math.max(0, end - WINDOW_S);
  drawAreas($("chart"), "fresh", begin, end, true);
  drawAreas($("probes"), "fresh_probes", begin, end, false);
}
/** Return responses per second of each revision for each frame since `begin`. */
function rates(key, begin) {
  const points = [], names = [];
  let before = null;
  for (const frame of seen.frames) {
    const answers = frame.apps.length ? chosen(frame).answers : [];
    const length = before === null ? 0.5 : Math.max(0.25, frame.t - before);
    before = frame.t;
    if (frame.t < begin) continue;
    const values = {};
    for (const one of answers) {
      if (!one.revision) continue;
      if (!names.includes(one.revision)) names.push(one.revision);
      values[one.revision] = one[key] / length;
    }
    points.push({ t: frame.t, values });
  }
  return { points, names };
}
function drawAreas(chart, key, begin, end, marked) {
  const width = chart.clientWidth || 800, height = chart.clientHeight || 190;
  const { points, names } = rates(key, begin);
  chart.replaceChildren();
  if (points.length < 2) return;
  const total = (point) => names.reduce((sum, one) => sum + (point.values[one] || 0), 0);
  const most = Math.max(1, ...points.map(total)), head = marked ? 18 : 6;
  const x = (t) => LEFT + ((t - begin) / Math.max(1, end - begin)) * (width - LEFT - 8);
  const y = (rate) => head + (height - FOOT - head) * (1 - rate / most);
  for (const share of marked ? [0, 0.5, 1] : [0, 1]) {
    const at = y(most * share);
    chart.append(svg("line", { x1: LEFT, x2: width, y1: at, y2: at, stroke: "var(--line)" }));
    const label = { x: LEFT - 6, y: at + 4, "text-anchor": "end" };
    chart.append(svg("text", label, Math.round(most * share)));
  }
  const base = points.map(() => 0);
  for (const one of names) {
    const low = [...base];
    points.forEach((point, i) => { base[i] += point.values[one] || 0; });
    const edge = (levels) => points.map((p, i) => `${x(p.t).toFixed(1)},${y(levels[i]).toFixed(1)}`);
    chart.append(svg("polygon", {
      points: [...edge(base), ...edge(low).reverse()].join(" "), fill: colour(one),
      "fill-opacity": 0.85, "data-revision": one,
    }));
  }
  if (marked) drawMarks(chart, begin, height, x);
  for (const t of [begin, (begin + end) / 2, end]) {
    const anchor = t === begin ? "start" : t === end ? "end" : "middle";
    chart.append(svg("text", { x: x(t), y: height - 3, "text-anchor": anchor }, clock(t)));
  }
}
/** Mark where phases began; of overlapping marks, only the last one is shown. */
function drawMarks(chart, begin, height, x) {
  const places = seen.phases
    .map((one, index) => ({ at: x(one.t), number: index + 1, t: one.t, text: one.text }))
    .filter((one) => one.t >= begin);
  places.forEach((one, i) => {
    if (i + 1 < places.length && places[i + 1].at - one.at < 17) return;
    const mark = svg("g", { class: "mark" });
    mark.append(
      svg("title", {}, one.text),
      svg("line", { x1: one.at, x2: one.at, y1: 16, y2: height - FOOT }),
      svg("circle", { cx: one.at, cy: 8, r: 8 }),
      svg("text", { x: one.at, y: 11.5, "text-anchor": "middle" }, one.number),
    );
    chart.append(mark);
  });
}
