"use strict";
const COLOURS = ["#3f72e8", "#12855c", "#b3651a", "#8f4ac4", "#c4405b", "#2b8494", "#75791f"];
const EVERY_MS = 500;
const seen = { now: 0, frame: 0, event: 0, frames: [], operations: [], phases: [], result: null };
const colours = new Map();
const $ = (id) => document.getElementById(id);
let over = false, name = "", picked = "";

function colour(revision) {
  if (!colours.has(revision)) colours.set(revision, COLOURS[colours.size % COLOURS.length]);
  return colours.get(revision);
}
function make(tag, text, attributes = {}) {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}
function clock(seconds) {
  const whole = Math.floor(seconds);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}
function short(revision) {
  return revision.includes("--") ? revision.slice(revision.indexOf("--") + 2) : revision;
}
function chosen(frame) {
  return frame.apps.find((one) => one.name === $("which").value) || frame.apps.at(-1);
}

function drawChoice(frame) {
  const names = frame.apps.map((one) => one.name), box = $("which");
  box.hidden = names.length < 2;
  if (names.join() === [...box.options].map((one) => one.value).join()) return;
  box.replaceChildren(...names.map((one) => make("option", one, { value: one })));
  box.value = names.includes(picked) ? picked : names.at(-1) || "";
}
function drawTitle(found) {
  const title = name || (found ? found.name : "");
  $("title").textContent = title || "Azure sandbox";
  const marks = { deployed: "✓ ", aborted: "↩ ", failed: "✗ " };
  const mark = seen.result ? marks[seen.result.outcome] || "" : "";
  document.title = title ? `${mark}${title} · Azure sandbox` : "Azure sandbox";
}
function drawPhases() {
  $("phases").hidden = !seen.phases.length;
  $("phases").firstElementChild.replaceChildren(...seen.phases.map((one, index) => {
    const current = index === seen.phases.length - 1 && !(seen.result?.outcome === "deployed");
    const row = make("li", undefined, { title: `${one.text}, at ${clock(one.t)}` });
    if (current) row.className = seen.result ? "current stopped" : "current";
    if (current) row.setAttribute("aria-current", "step");
    row.append(make("b", index + 1), make("span", current ? one.text : `${one.text} ✓`));
    return row;
  }));
}
function drawResult() {
  $("banner").hidden = !seen.result;
  if (!seen.result) return;
  $("banner").className = seen.result.outcome;
  $("banner").textContent = seen.result.text;
}
function drawSummary(html) {
  const frame = $("summary").querySelector("iframe");
  $("summary").hidden = false;
  const fit = () => {
    const root = frame.contentDocument?.documentElement;
    if (!root) return;
    frame.style.height = "0";
    frame.style.height = `${root.scrollHeight}px`;
  };
  frame.addEventListener("load", () => {
    fit();
    frame.contentDocument.addEventListener("toggle", fit, true);
  });
  addEventListener("resize", fit);
  frame.srcdoc = html;
}
function drawSplit(found) {
  const parts = found.revisions.filter((one) => one.weight > 0);
  $("split").replaceChildren(...parts.map((one) => {
    const part = make("span", `${short(one.name)} ${one.weight}%`, { title: one.name });
    part.style.width = `${one.weight}%`;
    part.style.background = colour(one.name);
    return part;
  }));
}
function drawRevisions(found) {
  const answers = new Map(found.answers.map((one) => [one.revision, one]));
  $("revisions").tBodies[0].replaceChildren(...[...found.revisions].reverse().map((one) => {
    const row = make("tr", undefined, { "data-revision": one.name });
    if (!one.active) row.className = "gone";
    const title = make("td", undefined, { class: "name" }), dot = make("span", undefined, { class: "dot" });
    dot.style.background = colour(one.name);
    const labels = one.labels.length ? `  (${one.labels.join(", ")})` : "";
    title.append(dot, short(one.name) + labels);
    const bad = /Fail|Degraded/.test(one.running), good = /^Running/.test(one.running);
    const count = answers.get(one.name) || { ok: 0, failed: 0, probes: 0 };
    row.append(
      title,
      make("td", one.running, { class: bad ? "bad" : good ? "good" : "busy" }),
      make("td", `${one.weight}%`, { class: "n" }),
      make("td", one.replicas, { class: "n wide" }),
      make("td", (count.ok + count.failed).toLocaleString("en"), { class: "n" }),
      make("td", count.failed.toLocaleString("en"), { class: count.failed ? "n bad" : "n" }),
      make("td", count.probes.toLocaleString("en"), { class: "n wide" }),
    );
    return row;
  }));
}
function drawOperations() {
  $("operations").tBodies[0].replaceChildren(...[...seen.operations].reverse().map((one) => {
    const row = make("tr");
    const end = one.problem ? `${one.status}: ${one.problem}` : one.status;
    const kind = one.status === "Succeeded" ? "good" : one.status === "InProgress" ? "busy" : "bad";
    row.append(
      make("td", clock(one.t), { class: "n" }), make("td", `${one.app}: ${one.what}`, { class: "name" }),
      make("td", end, { class: kind }),
      make("td", one.took === null ? "" : `${one.took} s`, { class: "n" }),
    );
    return row;
  }));
}
function drawKeys(cache) {
  const kinds = Object.entries(cache || {}), box = $("keys");
  const most = Math.max(1, ...kinds.map(([, count]) => count));
  if (!kinds.length) { box.replaceChildren(make("p", "none", { class: "nothing" })); return; }
  box.replaceChildren(...kinds.flatMap(([kind, count]) => {
    const bar = make("i");
    bar.style.width = `${(count / most) * 100}%`;
    return [make("code", `${kind}:*`), bar, make("span", count)];
  }));
}
function drawEvents(fresh) {
  const box = $("log-box");
  const atEnd = box.scrollTop + box.clientHeight >= box.scrollHeight - 30;
  for (const one of fresh) {
    if (one.kind === "commit") {
      const row = make("li");
      row.append(make("code", one.commit), make("span", `${one.text} (${one.author})`));
      $("commits").prepend(row);
    } else if (one.kind === "title") name = one.text;
    else if (one.kind === "result") seen.result = one;
    else if (one.kind === "summary") drawSummary(one.html);
    else {
      if (one.kind === "phase") seen.phases.push(one);
      const row = make("li", undefined, { class: one.kind });
      row.append(make("time", clock(one.t)), make("span", one.text));
      $("log").append(row);
    }
  }
  if (atEnd) box.scrollTop = box.scrollHeight;
}

function take(news) {
  seen.now = news.now;
  seen.frame = news.frame;
  seen.event = news.event;
  seen.frames.push(...news.frames);
  if (seen.frames.length > 5000) seen.frames.splice(0, seen.frames.length - 5000);
  seen.operations = news.operations;
  drawEvents(news.events);
  $("clock").textContent = clock(seen.now);
  draw();
}
function draw() {
  const last = seen.frames.at(-1);
  if (last) drawChoice(last);
  const found = last && chosen(last);
  $("empty").hidden = Boolean(found);
  $("left").hidden = !found;
  $("right").hidden = !found && !$("log").childElementCount;
  if (found) {
    $("app").hidden = !found.url;
    $("app").textContent = $("app").href = found.url;
    found.revisions.forEach((one) => colour(one.name));
    drawSplit(found);
    drawRevisions(found);
  }
  drawTitle(found);
  drawPhases();
  drawResult();
  if (last) drawKeys(last.cache);
  drawOperations();
  drawCharts();
}
function end() {
  over = true;
  $("state").textContent = "ended";
  $("state").className = "over";
  draw();
}
let misses = 0;
async function follow() {
  try {
    const answer = await fetch(`history?frame=${seen.frame}&event=${seen.event}`);
    take(await answer.json());
    misses = 0;
  } catch {
    misses += 1;
    if (misses === 3) end();
  }
  if (!over) setTimeout(follow, EVERY_MS);
}
for (const button of document.querySelectorAll("#empty button")) {
  button.addEventListener("click", async () => {
    const code = button.previousElementSibling;
    try {
      await navigator.clipboard.writeText(code.textContent.replace(/\s+/g, " "));
      button.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(code);
    }
  });
}
$("which").addEventListener("change", () => {
  picked = $("which").value;
  draw();
});
addEventListener("resize", draw);
const record = $("record").textContent;
if (record) { take(JSON.parse(record)); end(); } else follow();
